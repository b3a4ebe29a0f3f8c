"""Two kinds with soft views: what is refused; what is contrasted is shown of the system that is made of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import EveryPair, TwoKinds


def test_two_kinds_refuse_other_numbers_of_views_and_a_teacher_that_does_not_follow():
    with pytest.raises(InputError, match="decay is 0"):
        TwoKinds(4, 2, decay=0.0)
    kinds, model = TwoKinds(4, 2), nn.Sequential(nn.Identity(), nn.Identity())
    kinds.start(model)
    for points in (Points(torch.eye(2)), Points(torch.eye(2), view=torch.arange(2))):
        batch = {"queries": points}
        with pytest.raises(InputError, match="four views of a row"):
            kinds([batch], lambda model, batch=batch: batch)


def test_pairs_need_keys_and_no_copy_of_an_own_key_is_one():
    with pytest.raises(InputError, match="no keys to pair"):
        EveryPair(nn.Identity())([{"queries": torch.eye(2)}], lambda model: {})
    asked = Points(torch.eye(2), sample=torch.arange(2), input=torch.tensor([1, 2]), partner=torch.tensor([7, 7]))
    keys = Points(torch.eye(2), sample=torch.arange(2), input=torch.tensor([7, 7]), partner=torch.tensor([1, 2]))
    (call,) = EveryPair(nn.Identity())([{"queries": asked, "keys": keys}], lambda model: {})
    assert call["queries"].columns["apart"].tolist() == [0, 0]
