from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from counterpoint.data.images import digits
from counterpoint.encoders import ImageEncoder
from counterpoint.training import RowBatches
from counterpoint.views import affine, blur, brightness, compose, noise
from counterpoint.views.standard import picture_view

DIGITS = digits().anchors.tensor[:32]


def ramp(n: int = 200, size: int = 33) -> torch.Tensor:
    """An image that says where it is: channel 0 is x, channel 1 is y, each in [-1, 1] from edge to edge."""
    middle = (2 * torch.arange(size) + 1) / size - 1
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    return torch.stack([x, y])[None].repeat(n, 1, 1, 1)


def corners(view: torch.Tensor) -> torch.Tensor:
    """Which square was taken: least and greatest x and y, found by the slope in the middle."""
    size = view.shape[-1]
    step_x = view[:, 0, size // 2, 20] - view[:, 0, size // 2, 12]
    step_y = view[:, 1, 20, size // 2] - view[:, 1, 12, size // 2]
    middle = view[:, :, size // 2, size // 2]
    half = torch.stack([step_x, step_y], 1) / 8 * size / 2
    return torch.cat([middle - half, middle + half, half], 1)


def test_a_crop_is_a_part_of_the_image_of_the_asked_area():
    torch.manual_seed(0)
    found = corners(affine(area=(0.3, 0.6), aspect=(0.8, 1.25))(ramp()))
    assert float(found[:, :2].min()) > -1.001
    assert float(found[:, 2:4].max()) < 1.001
    area = found[:, 4] * found[:, 5]
    assert 0.299 < float(area.min()) < 0.34
    assert 0.56 < float(area.max()) < 0.601
    ratio = found[:, 4] / found[:, 5]
    assert 0.799 < float(ratio.min()) < 0.85
    assert 1.18 < float(ratio.max()) < 1.251
    # and it lies anywhere
    assert float(found[:, 0].std()) > 0.1


@pytest.mark.parametrize("channels", [1, 3])
def test_the_usual_view_crops_as_much_as_it_is_asked_to(channels):
    x = torch.rand(40, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    edges = []
    for area in (None, (0.05, 0.2)):
        torch.manual_seed(0)
        view = picture_view(area)(x)
        edges.append(float((view[..., 1:] - view[..., :-1]).abs().mean()))
    # what is cut smaller is drawn larger, and so smoother
    assert edges[1] < 0.8 * edges[0]


def test_turning_and_mirroring():
    torch.manual_seed(0)
    x = ramp()
    turned = affine(degrees=20.0)(x)
    middle = x.shape[-1] // 2
    slope = turned[:, :, middle, middle + 4] - turned[:, :, middle, middle - 4]
    angle = torch.rad2deg(torch.atan2(slope[:, 1], slope[:, 0]))
    assert 18 < float(angle.max()) < 20.1
    assert -20.1 < float(angle.min()) < -18
    mirrored = affine(flip=True)(x)
    same, other = ((mirrored - y).abs().amax((1, 2, 3)) < 1e-4 for y in (x, x.flip(3)))
    assert bool((same ^ other).all())
    assert 60 < int(other.sum()) < 140


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.5])
def test_blur_is_scipy_s_gaussian_over_three_pixels(sigma):
    ours = blur((sigma, sigma), p=1.0)(DIGITS)
    expected = np.stack([gaussian_filter(x[0].numpy(), sigma, mode="nearest", radius=1) for x in DIGITS])
    assert ours[:, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_a_share_is_blurred():
    torch.manual_seed(0)
    changed = (blur((1.0, 1.0), p=0.25)(digits().anchors.tensor[:400]) - digits().anchors.tensor[:400]).abs().amax(
        (1, 2, 3)
    ) > 1e-4
    assert 60 < int(changed.sum()) < 140


@given(st.integers(0, 1000))
def test_views_keep_shape_and_range_and_follow_the_seed(seed):
    view = compose(affine(area=(0.4, 1.0), degrees=15.0), brightness(0.4), blur(), noise(0.1))
    torch.manual_seed(seed)
    first = view(DIGITS)
    torch.manual_seed(seed)
    assert torch.equal(first, view(DIGITS))
    assert not torch.equal(first, view(DIGITS))
    assert first.shape == DIGITS.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_every_image_has_numbers_of_its_own():
    torch.manual_seed(0)
    one = DIGITS[:1].expand(8, -1, -1, -1)
    for view in (affine(area=(0.3, 1.0)), brightness(0.4), blur(p=1.0), noise(0.1)):
        assert len(torch.unique(view(one).flatten(1), dim=0)) == 8


def test_batches_take_chunks_of_the_views():
    payload = RowBatches(digits(), ImageEncoder(), view=noise(0.1)).payload(torch.tensor([4, 2, 7]))
    chunks = payload.chunks(4)
    assert [len(c) for c in chunks] == [4, 2]
    parts = torch.cat([payload.take(payload.inputs, c) for c in chunks])
    assert torch.equal(parts, payload.inputs[torch.cat(chunks)])
