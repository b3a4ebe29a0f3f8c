"""Colours against Pillow, Python's colorsys and kornia; crops against whole pixels and a ramp."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from counterpoint.errors import InputError
from counterpoint.views import boxes, compose, crop, grey, jitter, multi_crop, noise, quarter_turns, recolour

ONE, NONE = torch.ones(1), torch.zeros(1)
PHOTO = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def picture():
    return Image.fromarray((PHOTO[0].permute(1, 2, 0) * 255).round().byte().numpy())


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
@pytest.mark.parametrize(("place", "kind"), [(0, "Brightness"), (1, "Contrast"), (2, "Color")])
def test_each_change_is_pillow_s(place, kind, factor):
    factors = [ONE, ONE, ONE]
    factors[place] = torch.tensor([factor])
    ours = recolour(PHOTO, *factors, NONE)[0].permute(1, 2, 0)
    theirs = np.asarray(getattr(ImageEnhance, kind)(picture()).enhance(factor)) / 255
    # Pillow rounds to 8 bits on the way
    assert ours.numpy() == pytest.approx(theirs, abs=2.5 / 255)


@given(st.floats(-2, 2, allow_nan=False))
def test_the_hue_is_turned_as_by_colorsys(turn):
    ours = recolour(PHOTO, ONE, ONE, ONE, torch.tensor([turn]))[0].flatten(1).T

    def turned(rgb):
        hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
        return colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)

    theirs = [turned(rgb) for rgb in PHOTO[0].flatten(1).T.tolist()]
    assert ours.numpy() == pytest.approx(np.array(theirs), abs=1e-4)


def test_all_four_are_kornia_s_with_numbers_of_each_image():
    enhance = pytest.importorskip("kornia.enhance")
    torch.manual_seed(0)
    x = torch.rand(6, 3, 8, 8)
    b, c, s, h = (0.5 + torch.rand(6) for _ in range(4))
    theirs = (x * b[:, None, None, None]).clamp(0, 1)
    theirs = enhance.adjust_contrast_with_mean_subtraction(theirs, c)
    theirs = enhance.adjust_saturation_with_gray_subtraction(theirs, s)
    theirs = enhance.adjust_hue(theirs, 2 * torch.pi * h)
    # kornia's grey has rounded weights, and its hue a small constant in a denominator
    assert torch.allclose(recolour(x, b, c, s, h), theirs, atol=2e-3)


def test_grey_pixels_keep_their_grey():
    x = torch.full((1, 3, 2, 2), 0.5)
    assert torch.allclose(recolour(x, ONE, ONE, 2 * ONE, 0.3 * ONE), x)
    with pytest.raises(InputError, match="1 channels have no colours"):
        jitter()(torch.zeros(2, 1, 4, 4))
    with pytest.raises(InputError, match="1 channels have no colours"):
        grey()(torch.zeros(2, 1, 4, 4))


def test_shares_and_numbers_of_each_image():
    torch.manual_seed(0)
    x = PHOTO.expand(400, -1, -1, -1)
    changed = jitter(0.5, p=0.8)(x)
    moved = (changed - x).abs().amax((1, 2, 3)) > 1e-5
    assert 280 < int(moved.sum()) < 360
    assert len(torch.unique(changed[moved].flatten(1), dim=0)) == int(moved.sum())
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    without = grey(0.25)(x)
    plain = (without - x).abs().amax((1, 2, 3)) > 1e-5
    assert 65 < int(plain.sum()) < 135
    luma = np.asarray(picture().convert("L")) / 255
    assert without[plain][0].numpy() == pytest.approx(np.stack([luma] * 3), abs=1.5 / 255)


def test_a_large_batch_is_the_same_as_its_images():
    # it is worked on in pieces, and only where there is something to change
    x = torch.rand(150, 3, 32, 31, generator=torch.Generator().manual_seed(0))
    b, c, s, h = (0.5 + torch.rand(150) for _ in range(4))
    whole = recolour(x, b, c, s, h)
    for row in (0, 42, 149):
        assert torch.allclose(
            recolour(x[row : row + 1], b[row, None], c[row, None], s[row, None], h[row, None]), whole[row]
        )
    assert recolour(x[:0], b[:0], c[:0], s[:0], h[:0]).shape == (0, 3, 32, 31)
    for view in (jitter(p=0.0), grey(0.0)):
        assert torch.equal(view(x), x)
    kept = x.clone()
    jitter()(x)
    assert torch.equal(x, kept)


def test_views_follow_the_seed_and_kornia_s_are_views():
    augmentation = pytest.importorskip("kornia.augmentation")
    x = PHOTO.expand(8, -1, -1, -1)
    view = compose(jitter(), grey(), augmentation.RandomSolarize(p=1.0), noise(0.01))
    torch.manual_seed(3)
    first = view(x)
    torch.manual_seed(3)
    assert torch.equal(first, view(x))
    assert not torch.equal(first, view(x))


def test_boxes_are_of_the_asked_area_and_inside():
    torch.manual_seed(0)
    left, top, right, bottom = boxes(2000, area=(0.2, 0.5), aspect=(0.5, 2.0), flip=True).unbind(1)
    mirrored = right < left
    assert 900 < int(mirrored.sum()) < 1100
    width, height = (right - left).abs(), bottom - top
    assert float(torch.stack([left, top, right, bottom]).min()) > -1e-6
    assert float(torch.stack([left, top, right, bottom]).max()) < 1 + 1e-6
    assert 0.199 < float((width * height).min()) < 0.21
    assert 0.49 < float((width * height).max()) < 0.501
    assert 0.499 < float((width / height).min()) < 0.52
    assert 1.92 < float((width / height).max()) < 2.001


def test_a_crop_of_whole_pixels_is_a_slice():
    x = torch.rand(2, 3, 8, 8)
    boxes_24 = torch.tensor([[2 / 8, 1 / 8, 6 / 8, 5 / 8], [1.0, 0.5, 0.5, 1.0]])
    parts = crop(x, boxes_24, 4)
    assert torch.allclose(parts[0], x[0, :, 1:5, 2:6], atol=1e-6)
    assert torch.allclose(parts[1], x[1, :, 4:, 4:].flip(2), atol=1e-6)
    assert crop(x, boxes_24).shape == x.shape


def test_the_boxes_of_several_crops_say_where_they_are_from():
    torch.manual_seed(0)
    size = 64
    middle = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    crops = multi_crop(torch.stack([x, y])[None].repeat(50, 1, 1, 1), (2, 3), size=(None, 16), flip=True)
    assert [view.shape[-1] for view, _ in crops] == [64, 64, 16, 16, 16]
    areas = []
    for view, boxes_n4 in crops:
        left, top, right, bottom = boxes_n4.unbind(1)
        # within the image a pixel's colour is its place
        at = (torch.arange(view.shape[-1]) + 0.5) / view.shape[-1]
        inner = (at > 0.1) & (at < 0.9)
        column = left[:, None] + (right - left)[:, None] * at
        row = top[:, None] + (bottom - top)[:, None] * at
        assert torch.allclose(view[:, 0, view.shape[-1] // 2][:, inner], column[:, inner], atol=1e-4)
        assert torch.allclose(view[:, 1, :, view.shape[-1] // 2][:, inner], row[:, inner], atol=1e-4)
        areas.append(((right - left).abs() * (bottom - top)).mean())
    assert max(areas[2:]) < 0.14 < min(areas[:2])
    with pytest.raises(InputError, match="1 counts, 2 areas"):
        multi_crop(PHOTO, (2,))


def test_quarter_turns_are_pillow_s():
    square = PHOTO[:, :, :7].expand(6, -1, -1, -1)
    turned = quarter_turns(square, torch.arange(-1, 5))
    image = Image.fromarray((square[0].permute(1, 2, 0) * 255).round().byte().numpy())
    for k, ours in zip(range(-1, 5), turned, strict=True):
        theirs = np.asarray(image.rotate(90 * k)) / 255
        assert ours.permute(1, 2, 0).numpy() == pytest.approx(theirs, abs=1 / 255)
    with pytest.raises(InputError, match=r"images of \(9, 7\) are not square"):
        quarter_turns(PHOTO, torch.zeros(1).long())
