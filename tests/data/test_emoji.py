"""Emoji against another renderer of the same font and another list of their names."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from counterpoint.data.emoji import FONT, UNICODE, emoji
from counterpoint.errors import InputError
from data.pictures import shown

try:
    PATH = ImageFont.truetype(FONT, 109).path
except OSError:
    PATH = None
installed = pytest.mark.skipif(
    PATH is None or not (UNICODE / "emoji" / "emoji-test.txt").exists(), reason="no emoji installed"
)
ANNOTATIONS = UNICODE / "cldr" / "common" / "annotations" / "en.xml"
annotated = pytest.mark.skipif(not ANNOTATIONS.exists(), reason="no annotations installed")


@pytest.fixture(scope="module")
def images():
    return shown(emoji())


@installed
def test_a_benchmark_of_eight_groups(images):
    assert len(images.pixels) > 1300
    assert tuple(images.pixels.shape[1:]) == (3, 24, 24)
    assert 0 <= float(images.pixels.min()) < 0.01
    assert float(images.pixels.max()) == 1
    assert images.classes[:3] == ("Smileys & Emotion", "People & Body", "Animals & Nature")
    assert len(images.classes) == 8
    assert min(images.labels.bincount().tolist()) > 80
    # a subgroup is part of one group
    pairs = {(int(s), int(g)) for s, g in zip(images.columns["subgroup"], images.labels, strict=True)}
    assert len(pairs) == len({s for s, _ in pairs}) > 90
    assert len(set(images.names)) == len(images.pixels)
    assert not any("skin tone" in name or name.startswith("flag:") for name in images.names)
    assert len(torch.unique(images.pixels.flatten(1), dim=0)) == len(images.pixels)


@installed
@pytest.mark.parametrize(
    ("name", "text", "group"),
    [
        ("red heart", "\N{HEAVY BLACK HEART}", "Smileys & Emotion"),
        ("fox", "\N{FOX FACE}", "Animals & Nature"),
        ("tent", "\N{TENT}", "Travel & Places"),
        ("left arrow", "\N{LEFTWARDS BLACK ARROW}", "Symbols"),
    ],
)
def test_a_picture_is_what_freetype_renders_of_its_character(images, name, text, group):
    row = images.names.index(name)
    assert images.classes[images.labels[row]] == group
    font = ImageFont.truetype(FONT, 109)
    x, y, right, bottom = font.getbbox(text)
    canvas = Image.new("RGB", (right - x, bottom - y), "white")
    ImageDraw.Draw(canvas).text((-x, -y), text, font=font, embedded_color=True)
    assert canvas.size == (136, 128)
    large = np.asarray(canvas.crop((4, 0, 132, 128)), np.float32) / 255
    # the mean over sixths of 128 pixels needs fractions; 32 parts of 4 do not
    blocks = large.reshape(32, 4, 32, 4, 3).mean((1, 3)).transpose(2, 0, 1)
    assert shown(emoji(32)).pixels[row].numpy() == pytest.approx(blocks, abs=0.01)


@installed
@annotated
def test_names_are_those_of_the_annotations(images):
    tts = [a for a in ElementTree.parse(ANNOTATIONS).iter("annotation") if a.get("type") == "tts"]
    known = {a.text for a in tts}
    # the two lists may be of different years
    assert sum(name in known for name in images.names) > 0.95 * len(images.names)


@installed
@annotated
def test_keywords():
    images = shown(emoji(8, keywords=True))
    fox = next(name for name in images.names if name.startswith("fox"))
    assert fox == "fox, face"
    assert sum("," in name for name in images.names) > 1200


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match=r"the font is not installed; .* apt-get install fonts-noto-color-emoji"):
        emoji(font=tmp_path / "none.ttf")
    with pytest.raises(InputError, match="no pictures of 0 pixels"):
        emoji(0)


@installed
def test_what_is_not_as_it_should_be_is_said(tmp_path):
    with pytest.raises(InputError, match=r"emoji-test\.txt: the list of emoji is not installed"):
        emoji(unicode=tmp_path)
    (tmp_path / "emoji").mkdir()
    (tmp_path / "emoji" / "emoji-test.txt").write_text("# group: A\n1F98A ; fully-qualified # \N{FOX FACE} E3.0 fox\n")
    with pytest.raises(InputError, match="pictures of 1 emoji only"):
        emoji(unicode=tmp_path)
    import matplotlib

    with pytest.raises(InputError, match="holds no bitmaps"):
        emoji(font=Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@installed
@annotated
def test_broken_annotations_are_said(tmp_path):
    (tmp_path / "emoji").symlink_to(UNICODE / "emoji")
    folder = tmp_path / "cldr" / "common" / "annotations"
    folder.mkdir(parents=True)
    (folder / "en.xml").write_text(ANNOTATIONS.read_text("utf-8")[:5000], "utf-8")
    with pytest.raises(InputError, match="annotations are not installed"):
        emoji(8, keywords=True, unicode=tmp_path)
