"""Texts in order: documents, and at which place what comes next is found."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.testbeds import sequences
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.sequences import (
    all_speeches,
    later_is_nearer,
    packages_in_order,
    rank_by_each,
    rank_by_mixtures,
    speeches,
)
from counterpoint.views.sequences import window_starts, windows

NUMBER = torch.arange(3).repeat_interleave(5)
TEXTS = Data.alone(Items("text", [f"{d}{i}" for d in "abc" for i in range(5)]), document=NUMBER)


class Documents:
    """A vector for each document; what comes next may be known by another's."""

    def __init__(self, follows: dict[str, str]):
        self.follows = follows

    def encode_items(self, items, kind=None):
        letters = []
        for text in items.texts:
            role, _, name = text.rpartition("] ")
            letters.append(self.follows.get(name[0], name[0]) if role == "[AFTER" else name[0])
        return 3 * np.eye(3, dtype=np.float32)[["abc".index(letter) for letter in letters]]


@pytest.mark.parametrize("figure", [rank_by_mixtures, rank_by_each])
@pytest.mark.parametrize(
    ("follows", "rank"),
    [({}, 1.0), ({"a": "b", "b": "a"}, (2.5 + 2.5 + 1) / 3), ({"a": "b", "b": "b", "c": "b"}, 2.0)],
)
def test_rank_is_that_among_what_comes_next_elsewhere(figure, follows, rank):
    assert figure.of(Made("", Documents(follows), (TEXTS, TEXTS), 0)) == pytest.approx(rank)


def test_later_texts_may_be_nearer():
    class Late:
        def encode_items(self, items, kind=None):
            late = [t.startswith("[AFTER") or t[-1] in "23" for t in items.texts]
            return np.array([[1.0, 0.0] if it else [0.0, 1.0] for it in late], dtype=np.float32)

    assert later_is_nearer.of(Made("", Late(), (TEXTS, TEXTS), 0)) == pytest.approx(1.0)


def test_windows_are_of_one_document_and_share_no_text():
    assert window_starts(TEXTS, 5).tolist() == [0, 5, 10]
    assert window_starts(TEXTS, 2).tolist() == [0, 2, 5, 7, 10, 12]
    data = windows(4)(TEXTS, None, 0)
    for row in (data.columns["score"] > 0).nonzero()[:, 0].tolist():
        near = [data.others.texts[i] for i in data.positives[row].tolist()]
        assert len({text.rpartition("] ")[2][0] for text in (data.anchors.texts[data.anchor[row]], *near)}) == 1


def test_too_small_windows_and_too_short_documents_are_refused():
    with pytest.raises(InputError, match="a window of 2 texts"):
        windows(2)
    for data in (TEXTS, TEXTS[torch.arange(3)]):
        with pytest.raises(InputError, match="no document has 6 texts"):
            windows(6)(data, None, 0)


def test_packages_are_in_the_order_of_their_names():
    train, test = packages_in_order(0)
    assert (len(train), len(test)) == (600, 300)
    assert torch.bincount(test.columns["document"]).tolist() == [60] * 5
    assert max(len(text.split()) for text in train.anchors.texts) == 16


@pytest.fixture
def presidents(tmp_path, monkeypatch):
    (tmp_path / "text").mkdir()
    with gzip.open(tmp_path / "text" / "presidents.tsv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        writer.writerow(["corpus", "year", "president", "paragraph"])
        for year in range(40):
            for part in range(3):
                said = " ".join(f"In {year} we said {part} {i} and more{' and more' * 9}." for i in range(30))
                writer.writerow(["inaugural", year, "Nobody", f"{said} Thank you."])
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    sequences._speeches.cache_clear()
    yield
    sequences._speeches.cache_clear()


def test_speeches_are_sentences_in_order_and_the_test_has_its_own(presidents):
    (train, test), (every, _) = speeches(0), all_speeches(0)
    assert (len(train), len(test), len(every)) == (600, 1800, 2400)
    assert not set(train.anchors.texts) & set(test.anchors.texts)
    year = test.anchors.texts[0].split()[1]
    assert test.anchors.texts[1] == f"In {year} we said 0 1{' and more' * 5}"
    assert test.anchors.texts[59].startswith(f"In {year} we said 1 29 ")
    assert speeches(1)[1].anchors.texts != test.anchors.texts
