"""AdaInf: what is mixed in which proportion, from which model; and that views are weaker."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.images import digits
from counterpoint.data.inflation import generated
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.core import adainf
from counterpoint.testbeds import DIGITS, weak
from counterpoint.views.standard import picture_view
from systems.through import same, step_of


def some(n=60):
    return DIGITS.parts(0)[0][torch.arange(n)]


def test_a_batch_holds_real_images_as_often_as_their_copies_say():
    real = some()
    (prepare,) = get("AdaInf").method().stages[0].prepare
    data = prepare(real, nn.Identity(), 0)
    hashes, known = data.anchors.hashes(), real.anchors.hashes()[real.anchor]
    times = (hashes[:, None] == known).sum(0)
    assert times.unique().tolist() == [10]
    assert int((data.columns["label"] == -1).sum()) == 20 * 60 == len(data) - 600
    assert not torch.isin(hashes[data.columns["label"] == -1], known).any()


def test_a_step_is_simclr_in_which_copies_are_negatives():
    step = step_of("AdaInf", some(64), n=64)
    (call,) = step.calls
    assert "input" not in call["queries"].columns
    labels = call["queries"].columns["label"]
    # one in three is a copy
    assert 8 < int((labels >= 0).sum()) < 40
    pixels = step.payload.inputs
    assert len(pixels) == 128
    z = F.normalize(torch.cat(step.z()), dim=1)
    scores = (z @ z.T / 0.2).masked_fill(torch.eye(128, dtype=torch.bool), -torch.inf)
    same(step, F.cross_entropy(scores, (torch.arange(128) + 64) % 128))


def test_the_head_is_wide_and_has_no_batch_norm():
    step = step_of("AdaInf", some(8))
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    assert [layer.out_features for layer in step.network[1][::2]] == [8 * 16, 2 * 16]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_a_perfect_generator_gives_all_other_pictures(monkeypatch):
    every = some(40)
    monkeypatch.setattr(weak, "all_of_cifar", lambda seed: (every, every))
    data = weak.further(3)(every[torch.arange(10)], nn.Identity(), 0)
    assert len(data) == 3 * 10 + 30
    assert torch.equal(data.anchors.tensor[30:], every.anchors.tensor[every.anchor][10:])
    assert data.columns["label"][30:].unique().tolist() == [-1]


def test_drawn_images_have_the_moments_of_the_real_ones_and_are_new():
    real = digits().anchors.tensor
    drawn = generated(real, 4000, components=10, seed=1)
    x, y = (part.flatten(1).double().numpy() for part in (real, drawn))
    assert np.abs(x.mean(0) - y.mean(0)).max() < 0.05
    assert np.corrcoef(np.cov(x.T).ravel(), np.cov(y.T).ravel())[0, 1] > 0.97
    assert float(torch.cdist(drawn.flatten(1), real.flatten(1)).min()) > 0
    again, other = (generated(real, 4000, components=10, seed=seed) for seed in (1, 2))
    assert torch.equal(again, drawn)
    assert not torch.equal(other, drawn)


@pytest.mark.parametrize("channels", [1, 3])
def test_weak_views_stay_nearer_to_the_image(channels):
    torch.manual_seed(0)
    x = digits().anchors.tensor[:500].expand(-1, channels, -1, -1).contiguous()
    if channels == 3:
        x = x * torch.rand(500, 3, 1, 1)
    mine = get("AdaInf").method().stages[0].view
    near, far = (float((change(x) - x).square().mean()) for change in (mine, picture_view()))
    assert 0.05 * far < near < 0.75 * far


def test_what_it_is_compared_with_differs_in_what_it_says():
    stages = {n: getattr(adainf, n)().stages[0] for n in ("real", "real_weak", "good", "good_strong", "good_once")}
    assert [n for n, s in stages.items() if not s.prepare] == ["real", "real_weak"]
    assert {s.objective().temperature for s in stages.values()} == {0.2}


def test_too_few_images_to_draw_from_are_refused():
    with pytest.raises(InputError, match="30 images for 30 components"):
        generated(digits().anchors.tensor[:30], 5)
