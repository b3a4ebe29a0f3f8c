"""On mutual information: an invertible encoder keeps it, whatever it learns, and a linear probe sees the difference."""

from __future__ import annotations

import pytest
import torch

from counterpoint.critics import bilinear
from counterpoint.data.images import digits
from counterpoint.encoders.invertible import Invertible
from counterpoint.objectives import InfoNCE
from counterpoint.systems import get
from counterpoint.systems.core import mutual_information as mi
from counterpoint.systems.core._digits import as_rows, probed
from counterpoint.training.rows import RowBatches
from systems.stages import stage


@pytest.fixture(scope="module")
def learned():
    parts = digits().split(seed=7)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mi, "_STEPS", 80)
        return mi.Learned(parts, Invertible, InfoNCE(1.0, geometry=bilinear(32)), 7)


def test_the_encoder_loses_nothing_and_the_probe_still_changes(learned):
    test = learned.parts[1]
    with torch.inference_mode():
        towers = learned.model.query, learned.model.document
        for tower, half in zip(towers, mi.halves(test.pixels), strict=True):
            mine = tower(test.pixels)
            assert (mine - half).abs().mean() > 0.02
            torch.testing.assert_close(tower.network.inverse(mine), half, rtol=1e-3, atol=1e-3)
    assert learned.accuracy() != mi._pixels(learned.parts)
    # more than an untrained critic, and less than the batch allows
    assert 0.1 < learned.information() < torch.log(torch.tensor(898.0))


def test_the_views_are_the_halves_of_one_image():
    images = digits()
    towers = get("on-mi-maximization").method().started(as_rows(images), 0)
    data = mi.with_itself(as_rows(images), towers, 0)
    payload = RowBatches(data, towers).payload(torch.tensor([3, 5]))
    # the start of an invertible encoder changes nothing
    seen = payload.arguments(towers(payload.inputs))
    assert torch.equal(seen["queries"].z[1], images.pixels[5, 0, :4].flatten())
    assert torch.equal(seen["keys"].z[1], images.pixels[5, 0, 4:].flatten())
    top, bottom = mi.halves(torch.arange(15.0).view(1, 1, 5, 3))
    assert (top.tolist(), bottom.tolist()) == ([[0, 1, 2, 3, 4, 5]], [[9, 10, 11, 12, 13, 14]])


def test_the_start_is_the_pixels():
    parts = digits().split(seed=1)
    model = get("on-mi-maximization").method().started(as_rows(parts[0]), 0)
    assert probed(lambda images: model.query.encode(images.pixels), parts) == mi._pixels(parts)


def test_the_config_learns_its_critic():
    assert sum(p.numel() for p in stage("on-mi-maximization").objective().parameters()) == 32 * 32
