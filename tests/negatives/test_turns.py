"""Which pictures look alike however they are turned."""

from __future__ import annotations

import math

import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import ImageEncoder
from counterpoint.negatives import turns


def rings_and_bars(n=40):
    ring, bar = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    ring[:, 2:6, 2:6] = 1.0
    bar[:, 0, :] = 1.0
    return Data.alone(Items("image", torch.stack([ring, bar] * n)))


def test_rings_are_uncertain_and_bars_are_not():
    data, model = rings_and_bars(), ImageEncoder(widths=(8, 16))
    before = [p.clone() for p in model.parameters()]
    options = {"passes": 100, "batch": 32}
    entropy = turns.turn_entropy(data, model, 0, **options)
    assert float(entropy[::2].min()) > turns.HALF + turns.MARGIN
    assert float(entropy[1::2].max()) < turns.HALF - turns.MARGIN
    assert torch.equal(entropy, turns.turn_entropy(data, model, 0, **options))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_column_says_so(monkeypatch):
    monkeypatch.setattr(turns, "turn_entropy", lambda data, encoder, seed: torch.tensor([0.0, 0.892, 0.894, 1.386]))
    data = rings_and_bars(2)
    found = turns.looking_alike("alike")(data, ImageEncoder(widths=(8, 16)), 0)
    assert found.columns["alike"].tolist() == [0, 0, 1, 1]
    assert 0.892 < math.log(4) / 2 + 0.2 < 0.894
