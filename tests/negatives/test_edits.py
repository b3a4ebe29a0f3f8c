"""Minimal edits: which questions are a word apart, and what stands beside a question as its paraphrase."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.hashing import input_hash
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.negatives.edits import a_word_apart, by_the_rest, with_edits

ASKED = {
    "Who won the cup in 1980": "a",
    "who won the cup in 1984": "b",
    "who lost the cup in 1984": "c",
    "who won the cup in 1988": "a",
    "what is a cup": "d",
    "the cup": "e",
    "a cup": "f",
}
ROWS = rows_of([Example(question, (answer,)) for question, answer in ASKED.items()])


def differ(one, other):
    """The places where two texts have other words, whatever their case; None if they have not as many."""
    a, b = one.lower().split(), other.lower().split()
    return [i for i in range(len(a)) if a[i] != b[i]] if len(a) == len(b) else None


def test_texts_of_three_words_that_differ_in_one_are_found():
    texts = list(ASKED)
    groups = by_the_rest(texts)
    for i, text in enumerate(texts):
        found = a_word_apart(text, groups, np.random.default_rng(0))
        # itself is there, for each of its words
        others = {(j, place) for j, place in found if j != i}
        wanted = {(j, differ(text, t)[0]) for j, t in enumerate(texts) if len(differ(text, t) or ()) == 1 and i < 5}
        assert others == wanted
        assert len(found) == len(set(found))


def test_an_edit_has_another_answer_and_a_paraphrase_keeps_the_word_that_is_edited():
    texts, seen = list(ASKED), set()
    for seed in range(30):
        data = with_edits(ROWS, nn.Identity(), seed)
        assert data.others.texts[: len(ROWS.others)] == ROWS.others.texts
        for i, text in enumerate(texts):
            if i > 3:
                assert data.negatives[i].tolist() == [-1, -1]
                assert data.columns["paraphrase"][i] == -1
                continue
            paraphrase, edit = (data.others.texts[k] for k in data.negatives[i].tolist())
            (place,) = differ(text, edit)
            assert ASKED[edit] != ASKED[text]
            words = text.split()
            assert paraphrase in {" ".join(words[:k] + words[k + 1 :]) for k in range(len(words)) if k != place}
            assert data.columns["paraphrase"][i] == input_hash(paraphrase)
            seen.add((i, edit))
    # drawn from all that are so, and neither of the two that share an answer is the other's edit
    assert seen == {(0, texts[1]), (1, texts[0]), (1, texts[2]), (1, texts[3]), (2, texts[1]), (3, texts[1])}
    assert torch.equal(with_edits(ROWS, nn.Identity(), 3).negatives, with_edits(ROWS, nn.Identity(), 3).negatives)


def test_a_paraphrase_is_no_question_that_is_known():
    more = [Example("won the cup in 1984", ("g",)), Example("who the cup in 1984", ("h",))]
    data = with_edits(rows_of([Example(q, (a,)) for q, a in ASKED.items()] + more), nn.Identity(), 0)
    made = {data.others.texts[k] for k in data.negatives[:, 0].tolist() if k >= 0}
    assert not {text.lower() for text in made} & {text.lower() for text in [*ASKED, *(e.anchor for e in more)]}
    # where nothing is left, there is neither
    short = rows_of([Example(q, (q,)) for q in ("a b c", "a b d", "a c", "B C", "w x y", "w x z")])
    assert with_edits(short, nn.Identity(), 0).negatives[0].tolist() == [-1, -1]


def test_all_answers_of_a_question_count_and_what_rows_have_gives_way():
    asked = [("who won in 1980", "a"), ("who won in 1980", "b"), ("who won in 1984", "b"), ("who won in 1988", "c")]
    rows = rows_of([Example(q, (a,), ("wrong",)) for q, a in asked])
    for seed in range(5):
        data = with_edits(rows, nn.Identity(), seed)
        edits = [data.others.texts[k] for k in data.negatives[:, 1].tolist()]
        assert edits[:3] == ["who won in 1988"] * 3
        assert data.negatives.shape == (4, 2)
        assert torch.equal(data.negatives[0], data.negatives[1])


def test_rows_without_edits_or_answers_are_refused():
    with pytest.raises(InputError, match="no question is a word apart"):
        with_edits(rows_of([Example("who won in 1980", ("a",)), Example("where is it held", ("b",))]), nn.Identity(), 0)
    with pytest.raises(InputError, match="questions without answers"):
        with_edits(Data.alone(Items("text", list(ASKED))), nn.Identity(), 0)
    numbers = Items("vector", torch.zeros(7, 2))
    with pytest.raises(InputError, match="where texts are needed"):
        with_edits(replace(ROWS, anchors=numbers), nn.Identity(), 0)
