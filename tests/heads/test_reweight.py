"""The reweighting head."""

from __future__ import annotations

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.heads import Reweight


def test_each_dimension_is_divided_by_one_more_kappa():
    h = torch.randn(3, 5, requires_grad=True)
    Reweight(5, kappa=1.5)(h).sum().backward()
    wanted, weight = [], 1.0
    for _ in range(5):
        wanted.append(weight)
        weight /= 1.5
    assert h.grad.tolist() == [pytest.approx(wanted)] * 3
    assert torch.equal(Reweight(5, kappa=1.0)(h), h)


@pytest.mark.parametrize("kappa", [0.9, 0.0, -1.0, float("nan")])
def test_refused(kappa):
    with pytest.raises(InputError, match="kappa is"):
        Reweight(4, kappa=kappa)
