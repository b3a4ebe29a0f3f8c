"""Texts with classes."""

from __future__ import annotations

import pytest
import torch

from counterpoint.testbeds import sorted_texts
from counterpoint.testbeds.sorted_texts import (
    all_questions,
    fewer_questions,
    questions,
    reviews,
    sections,
    subjectivity,
)


@pytest.fixture
def trec(tmp_path, monkeypatch):
    (tmp_path / "classify").mkdir()
    for part, n in (("train", 700), ("test", 5)):
        rows = [f'{"NUM:dist" if i % 3 else "ABBR:exp"}\tHow "far" is number {i} ?' for i in range(n)]
        rows = [row.replace("far", "near") for row in rows] if part == "test" else [*rows, rows[3]]
        (tmp_path / "classify" / f"trec-{part}.tsv").write_text("\n".join(["label\ttext", *rows]) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    cached = (sorted_texts._questions, sorted_texts._unseen)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


def test_questions_have_the_class_before_the_colon_and_some_are_drawn(trec):
    (train, test), (other, _), (whole, _) = questions(0), questions(1), all_questions(0)
    assert (len(train), len(whole), len(test)) == (500, 700, 5)
    assert whole.classes == train.classes == ("ABBR", "NUM")
    assert whole.columns["label"][:4].tolist() == [0, 1, 1, 0]
    assert whole.anchors.texts[1] == 'How "far" is number 1 ?'
    assert train.anchor.tolist() != other.anchor.tolist()
    drawn = [train.anchors.texts[i] for i in train.anchor.tolist()]
    assert len(set(drawn)) == 500
    number = torch.tensor([int(text.split()[-2]) for text in drawn])
    assert torch.equal(train.columns["label"], (number % 3 > 0).long())


def test_sections_are_even_and_no_text_is_in_both_parts():
    train, test = sections(0)
    assert torch.equal(train.columns["label"].bincount(), torch.full((6,), 60))
    assert len(test) == 360
    assert not set(train.anchors.texts) & set(test.anchors.texts)
    assert train.classes == ("golang", "libs", "perl", "python", "rust", "utils")
    assert list(sections(1)[0].anchors.texts) != list(train.anchors.texts)


def test_what_is_in_the_test_or_twice_is_left_out_of_training(trec, tmp_path):
    file = tmp_path / "classify" / "trec-test.tsv"
    file.write_text(file.read_text() + 'NUM:dist\tHow "far" is number 7 ?\n')
    (whole, test), (few, _) = all_questions(0), fewer_questions(0)
    texts = [whole.anchors.texts[i] for i in whole.anchor.tolist()]
    assert len(test) == 6
    assert len(texts) == len(set(texts)) == 699
    assert not set(texts) & set(test.anchors.texts)
    assert len(few) == 100


def test_halves_of_a_file_are_drawn_and_each_text_is_there_once(tmp_path, monkeypatch):
    (tmp_path / "classify").mkdir()
    rows = [f"{'pos' if i % 3 else 'neg'}\tfilm {i}" for i in range(1200)]
    for name in ("mr", "subj"):
        (tmp_path / "classify" / f"{name}.tsv").write_text("\n".join(["label\ttext", *rows, rows[0]]) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    sorted_texts._read.cache_clear()
    try:
        for task in (reviews, subjectivity):
            train, test = task(0)
            texts = [[part.anchors.texts[i] for i in part.anchor.tolist()] for part in (train, test)]
            assert len({*texts[0], *texts[1]}) == 1000
            for part, said in zip((train, test), texts, strict=True):
                assert part.columns["label"].tolist() == [int(int(text.split()[1]) % 3 > 0) for text in said]
            assert task(1)[0].anchor.tolist() != train.anchor.tolist()
    finally:
        sorted_texts._read.cache_clear()
