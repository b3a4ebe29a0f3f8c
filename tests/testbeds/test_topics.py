"""Topics: their words, coherence and diversity by hand, and what is said of texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.objectives import TopicELBO
from counterpoint.testbeds import topics
from counterpoint.testbeds.bed import Made

TEXTS = ["ant bee", "ant bee", "ant cat", "dog"]
"""In the order of how many they are in: ant, bee, cat, dog."""


def made(weights, monkeypatch, top=2):
    monkeypatch.setattr(topics, "_TOP", top)
    monkeypatch.setattr(topics, "_DISTINCT", top)
    decoder = nn.Linear(len(weights), 5)  # a word more than there are
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor(weights).T)
    data = Data.alone(Items("text", TEXTS))
    return Made("", None, (data, data), 0, objective=TopicELBO(decoder))


def test_coherence_is_the_mean_over_pairs_of_words(monkeypatch):
    weights = [[3.0, 2.0, 1.0, 0.0, 9.0], [0.0, 0.0, 2.0, 3.0, 9.0]]
    found = made(weights, monkeypatch)
    assert topics.topic_words(found, 2) == [["ant", "bee"], ["dog", "cat"]]
    # ant and bee are in 3 and 2 of 4, together in 2; dog and cat in none
    first = math.log((2 / 4) / (3 / 4 * 2 / 4)) / -math.log(2 / 4)
    assert topics.coherence.of(found) == pytest.approx((first - 1) / 2)


def test_diversity_is_the_share_of_different_words(monkeypatch):
    weights = [[3.0, 2.0, 1.0, 0.0, 0.0], [3.0, 0.0, 2.0, 1.0, 0.0]]
    assert topics.diversity.of(made(weights, monkeypatch)) == 3 / 4


def test_proportions_are_those_of_the_mean():
    class Same:
        def encode_items(self, items, kind=None):
            return np.array([[1.0, 2.0]] * len(items), dtype=np.float32)

    class Head(nn.Module):
        def forward(self, z):
            return torch.stack([z + 5, z, z - 5 * torch.tensor([1.0, 2.0])], 1)

    data = Data.alone(Items("text", TEXTS))
    found = topics.proportions(Made("", Same(), (data, data), 0, Head()), data)
    assert found[0].tolist() == pytest.approx(torch.tensor([1.0, 2.0]).softmax(0).tolist())
    # of what has none, the vectors
    assert topics.proportions(Made("", Same(), (data, data), 0), data)[0].tolist() == [1.0, 2.0]


# the factors of so few words are exact, and whether their search says that it has ended is a matter of rounding
EXACT = pytest.mark.filterwarnings("ignore:Maximum number of iterations:sklearn.exceptions.ConvergenceWarning")


@EXACT
def test_factors_find_words_that_go_together(monkeypatch):
    monkeypatch.setattr(topics, "TOPICS", 2)
    monkeypatch.setattr(topics, "WORDS", 4)
    texts = ["ant bee", "bee ant ant", "cat dog", "dog cat cat"] * 3
    data = Data.alone(Items("text", texts), label=torch.tensor([0, 0, 1, 1] * 3))
    found = Made("", topics.factors((data, data)), (data, data), 0)
    assert {frozenset(words) for words in topics.topic_words(found, 2)} == {
        frozenset({"ant", "bee"}),
        frozenset({"cat", "dog"}),
    }
    assert topics.topic_accuracy.of(found) == 1.0


@EXACT
def test_versions_with_telling_words_are_nearer(monkeypatch):
    monkeypatch.setattr(topics, "TOPICS", 2)
    monkeypatch.setattr(topics, "WORDS", 8)
    texts = [f"news today {a} {b}" for a, b in (("ant", "bee"), ("cat", "dog"))] * 4
    data = Data.alone(Items("text", texts))
    found = Made("", topics.factors((data, data)), (data, data), 0)
    assert topics.kept_apart.of(found) > 0.05


def test_news_are_what_they_are_said_to_be(monkeypatch, tmp_path):
    import gzip

    (tmp_path / "topics").mkdir()
    rows = ["text\tsplit\tlabel", "ant bee\ttrain\tb", 'a "cat\ttrain\ta', "dog\ttest\tb", "eel\tval\tb"]
    with gzip.open(tmp_path / "topics" / "bbc_news.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    topics._news.cache_clear()
    train, test = topics.news(0)
    assert (train.anchors.texts, train.columns["label"].tolist()) == (["ant bee", 'a "cat'], [1, 0])
    assert test.anchors.texts == ["dog"]
    topics._news.cache_clear()
