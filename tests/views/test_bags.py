"""Bags of words, and versions of texts whose telling words stay or go."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views import bags, telling_words
from counterpoint.views.bags import common_words, words_of

TEXTS = ["game rome rome win", "game oslo win", "game lima", "game"]


def data(texts=TEXTS):
    return Data.alone(Items("text", texts), label=torch.arange(len(texts)))


def test_counts_are_those_of_words_in_the_order_of_how_many_texts_they_are_in():
    assert common_words(TEXTS, 3) == ["game", "win", "lima"]
    found = bags(3)(data(), nn.Identity(), 0)
    assert found.columns["words"].tolist() == [[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0]]
    # rows may come in any order, and again
    some = bags(3)(data()[torch.tensor([2, 2, 0])], nn.Identity(), 0)
    assert some.columns["words"].sum(1).tolist() == [2, 2, 3]
    assert some.columns["label"].tolist() == [2, 2, 0]


def test_case_marks_and_stop_words_are_no_words():
    assert words_of('The "Cat", (the) dog\'s.') == ["cat", "dog's"]


def test_least_telling_words_go_in_the_positive_and_most_telling_ones_in_the_negative():
    found = telling_words()(data(), nn.Identity(), 3)
    texts = found.others.texts
    assert found.schema == "tuples"
    pairs = [(texts[a], texts[b]) for (a,), (b,) in zip(found.positives, found.negatives, strict=True)]
    near, far = (text.split() for text in pairs[0])
    assert near[1:3] == ["rome", "rome"]
    assert near[3] == "win"
    # a word that is there twice becomes the same word twice
    assert far[0] == "game"
    assert far[1] == far[2]
    # of one word nothing is replaced
    assert pairs[3] == ("game", "game")
    assert telling_words()(data(), nn.Identity(), 3).others.texts == texts
    assert telling_words()(data(), nn.Identity(), 4).others.texts != texts


def test_so_many_words_are_replaced():
    texts = [" ".join(f"w{i}" for i in range(j, j + 12)) for j in range(0, 40, 4)]
    many, few = (telling_words(most)(data(texts), nn.Identity(), 0).others.texts[0].split() for most in (9, 2))
    own = texts[0].split()
    assert sum(a != b for a, b in zip(own, few, strict=True)) <= 2
    assert 2 < sum(a != b for a, b in zip(own, many, strict=True)) <= 6


def test_other_data_are_refused():
    pictures = Data.alone(Items("image", torch.zeros(2, 1, 2, 2)))
    with pytest.raises(InputError, match="words are those of texts"):
        bags(3)(pictures, nn.Identity(), 0)
    with pytest.raises(InputError, match="a bag of 0 words"):
        bags(0)
    pairs = telling_words()(data(), nn.Identity(), 0)
    with pytest.raises(InputError, match="texts alone"):
        telling_words()(pairs, nn.Identity(), 0)
