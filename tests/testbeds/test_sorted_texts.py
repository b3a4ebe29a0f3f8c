"""Texts with classes."""

from __future__ import annotations

import pytest
import torch

from counterpoint.testbeds import sorted_texts
from counterpoint.testbeds.sorted_texts import all_questions, questions, sections


@pytest.fixture
def trec(tmp_path, monkeypatch):
    (tmp_path / "classify").mkdir()
    for part, n in (("train", 700), ("test", 5)):
        rows = [f'{"NUM:dist" if i % 3 else "ABBR:exp"}\tHow "far" is number {i} ?' for i in range(n)]
        (tmp_path / "classify" / f"trec-{part}.tsv").write_text("\n".join(["label\ttext", *rows]) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    sorted_texts._questions.cache_clear()
    yield
    sorted_texts._questions.cache_clear()


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
