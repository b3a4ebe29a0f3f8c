"""Passages by author."""

from __future__ import annotations

import gzip

import pytest

from counterpoint.testbeds import authors as module
from counterpoint.testbeds.authors import all_authors, authors


@pytest.fixture
def speeches(tmp_path, monkeypatch):
    (tmp_path / "text").mkdir()
    rows = ["corpus\tyear\tpresident\tparagraph"]
    for a in range(14):
        for i in range(70 if a else 20):
            words = " ".join(f"a{a}p{i}w{w}" for w in range(59))
            rows.append(f'inaugural\t{1800 + i % 3}\tA{a:02}\t"{words}')
    with gzip.open(tmp_path / "text" / "presidents.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    module._passages.cache_clear()
    yield
    module._passages.cache_clear()


def test_authors_of_the_test_were_never_seen_and_passages_are_whole(speeches):
    train, test = authors(0)
    assert len(test.classes) == 10
    assert len(train.classes) == 3
    assert not set(train.classes) & set(test.classes)
    assert not {name for name in (*train.classes, *test.classes) if name.startswith("A00")}
    assert test.columns["label"].bincount().tolist() == [30] * 10
    assert train.columns["label"].bincount().tolist() == [70] * 3
    assert {len(text.split()) for text in (*train.anchors.texts, *test.anchors.texts)} == {40}
    for data in (train, test):
        said = [data.classes[c] for c in data.columns["label"].tolist()]
        assert [f"A{int(text.lstrip(chr(34)).split('p')[0][1:]):02} 1800" for text in data.anchors.texts] == said
    assert authors(1)[1].classes != test.classes


def test_where_all_are_known_passages_of_the_test_are_not(speeches):
    (_, test), (whole, same) = authors(2), all_authors(2)
    assert test.anchors.texts == same.anchors.texts
    assert set(test.classes) < set(whole.classes)
    assert not set(whole.anchors.texts) & set(test.anchors.texts)
    assert sorted(whole.columns["label"].bincount().tolist()) == [30] * 10 + [70] * 3


def test_one_surname_is_two_men_where_years_are_missing_and_one_man_may_have_two(tmp_path, monkeypatch):
    (tmp_path / "text").mkdir()
    rows = ["corpus\tyear\tpresident\tparagraph"]
    words = " ".join("word" for _ in range(40 * 60))
    spoken = (
        ("Bush", 1989),
        ("Bush", 1992),
        ("Bush", 2001),
        ("GWBush", 2005),
        ("Cleveland", 1885),
        ("Cleveland", 1893),
    )
    rows += [f"state_union\t{year}\t{name}\t{words}" for name, year in spoken]
    with gzip.open(tmp_path / "text" / "presidents.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    module._passages.cache_clear()
    found = {name: len(kept) for name, kept in module._passages().items()}
    module._passages.cache_clear()
    assert found == {"Bush 1989": 120, "Bush 2001": 120, "Cleveland 1885": 120}
