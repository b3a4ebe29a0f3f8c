"""Halves of pictures: the estimate of a critic that is told all, and of one that is told nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import load
from counterpoint.encoders.halves import HalfPicture
from counterpoint.encoders.towers import Towers
from counterpoint.geometry import Dot
from counterpoint.objectives import NWJ, InfoNCE
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.halves import information


class Number(HalfPicture):
    """A unit vector for each picture, as long as said, whichever half is seen."""

    def __init__(self, length: float) -> None:
        super().__init__()
        self.length = nn.Parameter(torch.tensor(length))

    def forward(self, images):
        return self.length * nn.functional.one_hot((images[:, 0, 0, 0] * 255).round().long(), 128).float()


@pytest.mark.parametrize(
    ("length", "objective", "nats"),
    [
        (0.0, InfoNCE(1.0, geometry=Dot()), 0.0),
        (10.0, InfoNCE(1.0, geometry=Dot()), math.log(64)),
        (1.0, NWJ(), 1 - math.exp(-1)),
    ],
)
def test_the_estimate_is_what_is_known(length, objective, nats):
    pixels = torch.arange(128).byte().view(128, 1, 1, 1).expand(-1, 1, 2, 2)
    data = Data.alone(Items("image", pixels.contiguous()))
    made = Made("given", Towers(Number(length)), (data, data), 0, objective=objective)
    assert information.of(made) == pytest.approx(nats, abs=1e-5)


def test_halves_of_other_sizes_and_of_grey_pictures():
    picture = torch.arange(16.0).view(1, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    top, bottom = (HalfPicture(top=top, side=4).pixels(picture) for top in (True, False))
    assert top.view(3, 8)[2].tolist() == list(range(8))
    assert bottom.view(3, 8)[0].tolist() == list(range(8, 16))


def test_a_model_of_halves_is_saved(tmp_path):
    model = Towers(HalfPicture(top=False, kind="perceptron"), HalfPicture(kind="perceptron"))
    model.save(tmp_path / "model")
    there, items = load(tmp_path / "model"), Items("image", torch.rand(3, 1, 8, 8))
    for kind in ("query", "document"):
        assert (there.encode_items(items, kind=kind) == model.encode_items(items, kind=kind)).all()
    assert not there.query.top
    assert there.document.top
