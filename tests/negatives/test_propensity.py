"""Pairs drawn by inverse propensity: with which weights, among which texts, and where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.negatives import against_propensity

TEXTS = ["red cat runs", "a red cat sleeps", "Red cat runs", "blue dog runs", "red cat runs far", "one two", "a dog"]
ANGLES = [0.0, 0.4, 0.0, 0.9, 2.5, 1.3, 1.0]


class Known:
    """Each text has an angle."""

    def encode_items(self, items):
        angles = [ANGLES[TEXTS.index(text)] for text in items.texts]
        return np.array([[math.cos(a), math.sin(a)] for a in angles], np.float32)


def overlap(a, b):
    a, b = set(a.lower().split()), set(b.lower().split())
    return len(a & b) / len(a | b)


def told(text):
    """The words that a search looks for."""
    return {*text.lower().split()}


@pytest.mark.parametrize("surface", [True, False])
def test_weights_are_what_is_likely_by_meaning_over_what_is_likely_by_words(monkeypatch, surface):
    asked = []

    def drawn(weight, number, generator):
        asked.append(weight.clone())
        return weight.argmax(1, keepdim=True)

    monkeypatch.setattr(torch, "multinomial", drawn)
    order = torch.tensor([5, 0, 1, 2, 3, 4, 6])
    data = Data.alone(Items("text", TEXTS))[order]
    made = against_propensity(20, 0.5, surface=surface)(data, Known(), 0)
    rows = order.tolist()
    for weight, sign, chosen in zip(asked, (1, -1), (made.positives, made.negatives), strict=True):
        for place, i in enumerate(rows):
            others = [j for j in rows if TEXTS[j].lower() != TEXTS[i].lower()]
            if sign < 0:  # BM25 finds what shares a word
                others = [j for j in others if told(TEXTS[i]) & told(TEXTS[j])]
            score = {
                j: math.exp(sign * (math.cos(ANGLES[i] - ANGLES[j]) - surface * overlap(TEXTS[i], TEXTS[j])) / 0.5)
                for j in others
            }
            if not score:
                assert int(chosen[place]) == (i if sign > 0 else -1)
                continue
            total = sum(score.values())
            wanted = sorted((value / total for value in score.values()), reverse=True)
            found = weight[place].sort(descending=True).values.tolist()
            assert found[: len(wanted)] == pytest.approx(wanted, rel=1e-4)
            assert not any(found[len(wanted) :])
            assert int(chosen[place]) == max(score, key=score.get)
    assert made.others is made.anchors
    assert (made.negatives == -1).any()


def test_it_is_drawn_anew_by_the_seed_among_as_many_as_are_near():
    data = Data.alone(Items("text", TEXTS))
    seen = {against_propensity(2, 5.0)(data, Known(), seed).positives[0].item() for seed in range(20)}
    # the nearest are the text itself, one that reads the same, and one more
    assert seen == {1}
    more = [against_propensity(4, 5.0)(data, Known(), seed).positives[0].item() for seed in range(40)]
    assert set(more) == {1, 3, 6}
    again = against_propensity(4, 5.0)(data, Known(), 7)
    assert again.positives[0].item() == more[7]


def test_what_cannot_be_drawn_is_refused():
    for near, temperature in ((0, 0.1), (5, 0.0), (5, float("inf"))):
        with pytest.raises(InputError, match="at a temperature of"):
            against_propensity(near, temperature)
    items = Items("text", TEXTS)
    pairs = Data(items, torch.arange(7), items, torch.arange(7)[:, None])
    with pytest.raises(InputError, match="pairs already"):
        against_propensity()(pairs, Known(), 0)
