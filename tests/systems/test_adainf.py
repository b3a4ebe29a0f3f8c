"""AdaInf: what is mixed in which proportion, from which model; and that views are weaker."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.images import digits
from counterpoint.data.inflation import generated, inflated
from counterpoint.errors import InputError
from counterpoint.systems.core import adainf
from counterpoint.systems.core._digits import as_rows
from systems.stages import stage


def test_a_batch_holds_real_images_as_often_as_their_copies_say():
    real = digits()[torch.arange(60)]
    (prepare,) = stage("AdaInf").prepare
    data = prepare(as_rows(real), nn.Identity(), 0)
    images = data.anchors.tensor[data.anchor]
    number = {tuple(x.flatten().tolist()): 0 for x in real.pixels}
    generated_ones = 0
    for x in images:
        key = tuple(x.flatten().tolist())
        generated_ones += key not in number
        if key in number:
            number[key] += 1
    assert set(number.values()) == {adainf.COPIES}
    assert generated_ones == adainf.TIMES * 60
    assert (data.columns["label"] == -1).sum() == generated_ones


def test_drawn_images_have_the_moments_of_the_real_ones_and_are_new():
    real = digits()
    drawn = generated(real, 4000, components=10, seed=1)
    x, y = (part.pixels.flatten(1).double().numpy() for part in (real, drawn))
    assert np.abs(x.mean(0) - y.mean(0)).max() < 0.05
    assert np.corrcoef(np.cov(x.T).ravel(), np.cov(y.T).ravel())[0, 1] > 0.97
    assert float(torch.cdist(drawn.pixels.flatten(1), real.pixels.flatten(1)).min()) > 0
    again, other = (generated(real, 4000, components=10, seed=seed) for seed in (1, 2))
    assert torch.equal(again.pixels, drawn.pixels)
    assert not torch.equal(other.pixels, drawn.pixels)


def test_weak_views_stay_nearer_to_the_image():
    from counterpoint.systems.core._digits import view

    torch.manual_seed(0)
    x = digits().pixels
    weak, strong = (float((change(x) - x).square().mean()) for change in (adainf.weak_view(), view()))
    assert weak < 0.6 * strong


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: generated(x[torch.arange(30)], 5), "30 images for 30 components"),
        (lambda x: inflated(x, x, copies=0), "0 copies"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(InputError, match=message):
        call(digits())
