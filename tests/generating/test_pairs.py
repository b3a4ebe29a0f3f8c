"""Pairs that a language model writes by filling masks in, and grades; what is kept of them."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.generating import Generator, Rules, pairs_graded, pairs_kept, pairs_written
from counterpoint.generating.pairs import MASK, masked

TEXTS = ["dogs run in the deep snow", "a plane takes off", "rain"]
NOTHING = nn.Identity()


def alone():
    return Data.alone(Items("text", TEXTS))


def pairs(data):
    rows = zip(data.anchor.tolist(), data.positives[:, 0].tolist(), strict=True)
    return [(data.anchors.texts[a], data.others.texts[p]) for a, p in rows]


def graded(rows, **options):
    """Pairs, and their scores."""
    data = pairs_kept(**options)(rows_of([Example(a, (b,), score=y) for a, b, y in rows]), NOTHING, 0)
    return [(*pair, round(y, 4)) for pair, y in zip(pairs(data), data.columns["score"].tolist(), strict=True)]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("text", TEXTS)
def test_as_many_words_are_masks_as_the_rate_says(rate, text):
    words = text.split()
    found = masked(text, rate, random.Random(1), merged=0.0).split()
    assert found.count(MASK) == math.ceil(rate * len(words))
    assert all(word in (MASK, own) for word, own in zip(found, words, strict=True))


def test_masks_side_by_side_become_one_as_often_as_is_said():
    draw = random.Random(0)
    merged = [len(masked(TEXTS[0], 1.0, draw).split()) for _ in range(200)]
    assert set(merged) == {1, 6}
    assert 70 < merged.count(1) < 130
    some = masked(TEXTS[0], 0.5, random.Random(4), merged=1.0)
    assert f"{MASK} {MASK}" not in some
    assert some.count(MASK) < 3


def test_each_text_has_a_version_for_each_rate():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        return f"so {prompt.splitlines()[-1]}".replace(MASK, "owl")

    rates = (0.0, 0.5, 1.0)
    made = pairs_written(Generator(Rules(write)), rates)(alone(), NOTHING, 0)
    assert [first for first, _ in pairs(made)] == [text for text in TEXTS for _ in rates]
    assert made.schema == "pairs"
    # a paraphrase is asked for where nothing is masked
    whole = [prompt for prompt in asked if MASK not in prompt]
    assert [prompt.splitlines()[-1] for prompt in whole] == TEXTS
    assert not any("<mask>" in second for _, second in pairs(made))
    again, other = (pairs(pairs_written(Generator(Rules(write)), rates)(alone(), NOTHING, s)) for s in (0, 1))
    assert pairs(made) == again != other


def test_a_version_with_a_mask_is_asked_for_again_and_then_left_out():
    tries = Counter()

    def write(prompt, draw):
        tries[prompt] += 1
        # of one word all is masked
        return MASK if prompt.splitlines()[-1] == MASK or tries[prompt] < 2 else "an owl"

    made = pairs_written(Generator(Rules(write)), [0.3])(alone(), NOTHING, 0)
    assert [first for first, _ in pairs(made)] == TEXTS[:2]
    assert sorted(tries.values()) == [2, 2, 3]
    with pytest.raises(InputError, match="the first: a mask is left"):
        pairs_written(Generator(Rules(lambda prompt, draw: MASK)), [0.3])(alone(), NOTHING, 0)


@pytest.mark.parametrize("rates", [[], [1.1], [0.2, -0.1]])
def test_rates_that_there_are_not_are_refused(rates):
    with pytest.raises(InputError, match="masks at rates of"):
        pairs_written(Generator(Rules(lambda prompt, draw: "")), rates)


def test_grades_are_the_scores_of_pairs_and_rows_without_one_go():
    rows = rows_of([Example(a, (b,), ("no",)) for a, b in (("a", "0.25"), ("b", "1.5"), ("c", "none"), ("d", "1.0"))])
    judge = Generator(Rules(lambda prompt, draw: prompt.splitlines()[-1]))
    found = pairs_graded(judge)(rows, NOTHING, 0)
    assert pairs(found) == [("a", "0.25"), ("d", "1.0")]
    assert found.columns["score"].tolist() == [0.25, 1.0]
    # negatives stay where they were
    assert found.negatives.shape == (2, 1)
    with pytest.raises(InputError, match="the first: no number"):
        pairs_graded(Generator(Rules(lambda prompt, draw: "alike")))(rows, NOTHING, 0)
    for wrong in (alone(), rows_of([Example("a", ("b", "c"))])):
        with pytest.raises(InputError, match="what is graded are pairs"):
            pairs_graded(judge)(wrong, NOTHING, 0)


def test_a_text_has_two_versions_a_grade_at_most():
    rows = [("a", f"b{i}", 0.5) for i in range(5)] + [("a", "c", 0.75), ("d", "b0", 0.5)]
    found = graded(rows, others=0)
    assert Counter((first, y) for first, _, y in found) == {("a", 0.5): 2, ("a", 0.7): 1, ("d", 0.5): 1}
    assert len(graded(rows, most=4, others=0)) == 6


def test_the_text_itself_and_what_is_there_already_go():
    assert graded([("a", "a", 1.0), ("a", "b", 1.0), ("a", "b", 1.0)], others=0) == [("a", "b", 0.9)]
    with pytest.raises(InputError, match="no pair is left"):
        graded([("a", "a", 1.0)])


def test_each_text_gets_pairs_of_grade_0_with_versions_of_any():
    rows = [(first, f"{first}{i}", 0.5) for first in "abcdefgh" for i in range(2)]
    added = [row for row in graded(rows, others=3, smoothing=0.5) if row[2] == 0]
    assert Counter(first for first, _, _ in added) == dict.fromkeys("abcdefgh", 3)
    assert {second for _, second, _ in added} <= {second for _, second, _ in rows}
    assert len({second[0] for _, second, _ in added}) > 4


def test_what_is_no_graded_pair_is_refused():
    with pytest.raises(InputError, match="pairs without a grade"):
        pairs_kept()(rows_of([Example("a", ("b",))]), NOTHING, 0)
    for wrong in ({"most": 0}, {"smoothing": 1.5}, {"others": -1}):
        with pytest.raises(InputError, match="versions a grade"):
            pairs_kept(**wrong)


def test_other_columns_stay():
    data = rows_of([Example("a", ("b",)), Example("c", ("d",))])
    data = replace(data, columns={"score": torch.ones(2), "domain": torch.tensor([7, 8])})
    found = pairs_kept(others=1)(data, NOTHING, 0)
    assert found.columns["domain"].tolist() == [7 if first == "a" else 8 for first, _ in pairs(found)]
