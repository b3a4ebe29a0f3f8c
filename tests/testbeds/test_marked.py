"""Pictures to which something is done that one knows of."""

from __future__ import annotations

import pytest
import torch

from counterpoint.testbeds.marked import ANOTHERS, NOISE, PLANTED_DIGITS, partner


def test_a_tenth_of_the_pairs_are_noise_and_another_tenth_are_of_others():
    train, test = PLANTED_DIGITS.parts(3)
    pair = train.columns["pair"]
    for kind in (NOISE, ANOTHERS):
        assert float((pair == kind).float().mean()) == pytest.approx(0.1, abs=0.04)
    assert "pair" not in test.columns
    whose, own = partner(train, 3), torch.arange(len(train))
    assert torch.equal(whose == own, pair != ANOTHERS)
    assert torch.equal(whose, partner(train, 3))
    assert not torch.equal(whose, partner(train, 4))
