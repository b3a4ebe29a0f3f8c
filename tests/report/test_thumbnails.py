"""Pictures within a page: what they are, and that nothing else is ever shown as one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from counterpoint.report import Hit, Map, Query, QueryList, project_2d, report_html
from counterpoint.report.plots import map_plots
from counterpoint.report.thumbnails import SIDE, is_picture, pixels_of, thumbnail
from report.sample import sample
from report.test_page import Reader

RED = np.zeros((3, 6, 4), dtype=np.uint8)
RED[0] = 200


def test_a_small_picture_is_itself():
    random = np.random.default_rng(0).integers(0, 256, (3, 6, 4)).astype(np.uint8)
    np.testing.assert_array_equal(pixels_of(thumbnail(random)), random.transpose(1, 2, 0))
    grey = random[:1]
    np.testing.assert_array_equal(pixels_of(thumbnail(grey)), np.repeat(grey.transpose(1, 2, 0), 3, axis=2))
    np.testing.assert_array_equal(pixels_of(thumbnail(random.astype(np.float32) / 255)), random.transpose(1, 2, 0))


@pytest.mark.parametrize(("height", "width"), [(200, 100), (49, 300)])
def test_a_large_one_is_made_small_and_keeps_its_shape(height, width):
    shape = pixels_of(thumbnail(np.full((3, height, width), 0.5))).shape
    assert max(shape[:2]) == SIDE
    assert shape[0] / shape[1] == pytest.approx(height / width, abs=0.15 * height / width)
    assert len(thumbnail(np.random.default_rng(0).random((3, height, width)))) < 12_000


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a.png",
        "https://example.org/a.png",
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        'data:image/png;base64,AAAA" onerror="alert(1)',
        "data:image/png;base64,AAAA\n",
    ],
)
def test_nothing_else_is_shown(address):
    assert not is_picture(address)
    hit = Hit("a hit", picture=address)
    query = Query("a query", "gold", 1, 1, (hit,), picture=address, gold_picture=address)
    flat = project_2d(np.arange(8.0).reshape(4, 2))
    shown = Map(None, flat, ("a", "b", "c", "d"), pictures=(address,) * 4)
    page = report_html(dataclasses.replace(sample(), queries=(QueryList("Found", (query,)),), map=shown))
    assert "img" not in Reader(page).tags
    assert "<image" not in page


class Images(Reader):
    """A page may have them."""

    def handle_starttag(self, tag, attributes):
        super().handle_starttag(tag, attributes)
        if tag == "img":
            self.open.pop()


def test_pictures_stand_beside_their_names_and_names_are_escaped():
    red = thumbnail(RED)
    hit = Hit("<b>hit.png</b>", right=True, picture=red)
    query = Query("query.png", "gold.png", 3, 1, (hit, Hit("other.png")), picture=red, gold_picture=red)
    page = report_html(dataclasses.replace(sample(), queries=(QueryList("Found", (query,)),)))
    reader = Images(page)
    assert [value for tag, name, value in reader.attributes if (tag, name) == ("img", "src")] == [red] * 3
    assert "&lt;b&gt;hit.png&lt;/b&gt;" in page
    assert "img-src data:" in page


def test_pictures_are_drawn_over_their_points_on_the_map():
    flat = project_2d(np.arange(12.0).reshape(6, 2))
    pictures = (thumbnail(RED), "", "", thumbnail(RED), "", "")
    (plot,) = map_plots(dataclasses.replace(sample(), map=Map(None, flat, tuple("abcdef"), pictures=pictures)))
    assert plot.svg.count("<image") == 2
    assert plot.svg.count("<title>") == 6
    assert "held-out items" in plot.caption
