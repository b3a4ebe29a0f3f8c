import dataclasses
import errno
import functools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.report import (
    Content,
    Data,
    Difference,
    Figure,
    Group,
    Map,
    Model,
    System,
    project_2d,
    report_html,
    write_report,
)
from counterpoint.report.plots import map_plots
from report.sample import sample

ATTACK = "</script></title></style>--><img src=x onerror=alert(1)><svg onload=alert(2)>'\"&{{7*7}}"
VOID = {"meta", "line", "path", "use", "rect", "br"}


class Reader(HTMLParser):
    """Collects a page's tags, attributes and text, and checks that tags nest."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@functools.cache
def page():
    return report_html(sample())


def poisoned(value, key=""):
    """Every text of the content, and every key that is free, with the attack behind it."""
    if isinstance(value, dict):
        free = key in {"settings", "environment", "files", "columns", "splits", "figures", "prompts"}
        return {name + ATTACK * free: poisoned(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, key) for item in value]
    return value + ATTACK if isinstance(value, str) else value


def test_user_text_is_only_ever_text():
    bad = Reader(report_html(Content.from_json(poisoned(sample().to_json()))))
    assert set(bad.tags) <= set(Reader(page()).tags)
    assert {"script", "img", "iframe", "object", "link"}.isdisjoint(bad.tags)
    assert not [name for _, name, _ in bad.attributes if name.startswith("on")]
    assert bad.text.count("<img src=x onerror=alert(1)>") > 50
    assert "{{7*7}}" in bad.text


def test_the_page_loads_nothing_and_its_ids_are_unique():
    reader = Reader(page())
    for _, name, value in reader.attributes:
        if name in {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}:
            assert value.startswith("#")
    assert not re.search(r"url\((?!#)|@import", page())
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 0
    assert {v[1:] for _, name, v in reader.attributes if name == "xlink:href"} <= set(ids)
    assert set(re.findall(r"url\(#(.*?)\)", page())) <= set(ids)
    assert set(re.findall(r"var\(--(\w+)\)", page())) <= set(re.findall(r"--(\w+):", page()))
    policy = [v for tag, name, v in reader.attributes if tag == "meta" and name == "content" and "default-src" in v]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_the_same_content_gives_the_same_page():
    assert report_html(sample()) == page()


def test_the_first_screen_answers():
    text = " ".join(Reader(page()).text.split())
    head = text[: text.index("Figures MRR@10")]
    assert "Is it better? Yes. Clearly better than untrained and BM25." in head
    assert "By how much? 0.291 → 0.606" in head
    assert "against BM25 +0.028 +0.009 to +0.047 ▲ clearly better" in head
    assert "counterpoint search out 'edit photos'" in head


def test_no_clear_difference_is_said():
    unclear = (Difference("trained", "BM25", "MRR@10", 0.004, -0.010, 0.018, 1500),)
    text = " ".join(Reader(report_html(dataclasses.replace(sample(), differences=unclear))).text.split())
    assert "Is it better? Not clear. No clear difference from BM25." in text
    assert "−0.010 to +0.018 ≈ no clear difference" in text
    assert "clearly better" not in text


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Content)][5:])
def test_each_optional_part_stands_alone(name):
    bare = Content("t", "MRR@10", Model("trained"), Data("a.tsv"), ())
    absent = {
        "dev_metric": "dev metric",
        "groups": (Group("section", "games", sample().systems, sample().differences),),
    }
    value = getattr(sample(), name) or absent.get(name, ("It collapsed.",))
    page = Reader(report_html(dataclasses.replace(bare, **{name: value})))
    assert "None" not in page.text
    assert len(page.text) > len(Reader(report_html(bare)).text) or name in {"unit", "dev_metric"}


def test_scored_pairs_have_a_report_without_queries():
    figure = {"Spearman": Figure(0.8412, 0.8371, 0.8453, 1379)}
    systems = (System("base", {"Spearman": Figure(0.8203, 0.8155, 0.8249, 1379)}), System("tuned", figure))
    content = Content("STS", "Spearman", Model("tuned"), Data("a.tsv"), systems, unit="pairs")
    text = " ".join(Reader(report_html(content)).text.split())
    assert "Not compared." in text
    assert "0.8412" in text
    assert "held-out pairs" in text
    assert "Training" not in text


def test_a_collapsed_run_is_told_and_does_not_break_the_page():
    rows = tuple({"step": float(i), "loss": float("nan"), "ln_batch": 5.0, "dev": None} for i in range(5))
    systems = (System("trained", {"Spearman": Figure(float("nan"))}), System("base", {"Spearman": Figure(0.5)}))
    lost = Difference("trained", "base", "Spearman", float("nan"), float("nan"), float("nan"))
    content = Content(
        "c", "Spearman", Model("trained"), Data("a"), systems, (lost,), warnings=("It collapsed.",), history=rows
    )
    text = Reader(report_html(content)).text
    assert "nan" not in text.lower()
    assert "It collapsed." in text
    assert "No clear difference from base." in text


@pytest.mark.parametrize("name", ["日本語のモデル", "a $x^2$ \\frac", "👩‍🚀", "عربي", "\x00\x1b[31m", "x" * 500, ""])
def test_names_that_a_plot_cannot_draw(name):
    systems = tuple(System(n, {"Spearman": Figure(0.5, 0.4, 0.6)}) for n in (name, "base"))
    Reader(report_html(Content("t", "Spearman", Model(name), Data("a.tsv"), systems)))


def test_a_dot_carries_its_own_text():
    points = np.arange(40)[:, None] * [1.0, 0.5]
    texts = tuple(f"text <{i}>" for i in range(40))
    labels = tuple("abcdefgh"[i * 7 % 8] for i in range(40))
    flat = project_2d(points)
    (plot,) = map_plots(dataclasses.replace(sample(), map=Map(None, flat, texts, labels)))
    found = re.findall(r'<use xlink:href="#\w+" x="([\d.]+)"[^>]*><title>text &lt;(\d+)&gt;</title></use>', plot.svg)
    assert [int(i) for _, i in sorted(found, key=lambda dot: float(dot[0]))] == list(range(40))
    assert len(plot.keys) == 6
    assert plot.keys[-1].text == "3 other labels"


def test_a_large_run_stays_a_small_file():
    random = np.random.default_rng(0)
    n = 20_000
    flat = project_2d(random.normal(size=(n, 4)))
    links = tuple((i, i + n // 2) for i in range(n // 2))
    content = dataclasses.replace(
        sample(),
        map=Map(flat, flat, tuple("a word " * 60 for _ in range(n)), links=links),
        history=tuple({"step": i, "loss": float(x), "ln_batch": 7.0} for i, x in enumerate(random.normal(size=n))),
    )
    assert len(report_html(content).encode()) < 2_000_000


def test_a_full_disk_leaves_the_old_report(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    content = Content("t", "MRR@10", Model("trained"), Data("a.tsv"), ())
    write_report(content, path)
    before = path.read_bytes()

    def full(self, text, **_):
        self.write_bytes(text.encode()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="no space left"):
        write_report(content, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_notes_stand_under_the_table_and_above_the_differences():
    note = "12 of 1,500 queries have no relevant document and are left out <i>"
    text = " ".join(Reader(report_html(dataclasses.replace(sample(), notes=(note,)))).text.split())
    assert text.index("over 1,500 held-out") < text.index(note) < text.index("Paired differences")
