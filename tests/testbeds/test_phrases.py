"""Phrases: what captions open with, rows of two kinds, and a test in which words mislead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.testbeds import Made, phrases
from counterpoint.testbeds.phrases import (
    MASK,
    TITLES_AS_PHRASES,
    TYPED_TITLES,
    meaning_or_words,
    opening,
    shared_words,
    with_typo,
)

CAPTIONS = [
    ["A young man is asleep.", "The guy sleeps on a couch.", "A young man in a room."],
    ["A young woman is awake.", "A lady with a hat.", "Sitting."],
    ["Two dogs run.", "The animals are wet.", "Two dogs on a lawn"],
    ["Two cats run.", "The animals are dry.", "A very very very very very long cat is here"],
]


@pytest.fixture
def captions(monkeypatch):
    monkeypatch.setattr(phrases, "five_captions", lambda: CAPTIONS)
    monkeypatch.setattr(phrases, "_TESTED", 2)


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("A group of people, all old, stand here.", "group of people all old"),
        ("Men standing about.", "men"),
        ("A man.", None),
        ("In a room is a man.", None),
        ("", None),
        ("One two three four five six are here", None),
    ],
)
def test_a_phrase_is_what_stands_before_the_first_verb_or_word_of_place(caption, phrase):
    found = opening(caption)
    assert (found and found[0]) == phrase
    if found:
        assert MASK in found[1]
        assert phrase not in found[1]


def sides(data):
    return list(zip(*phrases._texts(data), data.columns["kind"].tolist(), strict=True))


def test_rows_are_of_both_kinds(captions):
    data = phrases.triplets(phrases._pictures(), 0)
    named = [{p for p, _ in picture} for picture in phrases._pictures()]
    for anchor, positive, negative, kind in sides(data):
        own = next(group for group in named if anchor in group)
        if kind:
            assert MASK in positive
            assert MASK in negative
            assert positive != negative
        elif anchor not in ("animals",):
            assert positive in own - {anchor}
            assert negative not in own
    young = {a: (p, n) for a, p, n, kind in sides(data) if a.startswith("young") and not kind}
    assert young["young man"] == ("guy", "young woman")
    assert young["young woman"] == ("lady", "young man")
    assert sum(kind for *_, kind in sides(data)) == 8


def test_in_the_test_words_mislead_and_pictures_are_of_one_part(captions):
    for seed in range(4):
        train, test = phrases.phrases(seed)
        assert test.columns["kind"].unique().tolist() in ([], [0])
        for anchor, positive, negative, _ in sides(test):
            assert not set(anchor.split()) & set(positive.split())
            assert set(anchor.split()) & set(negative.split())
        whole = phrases.all_phrases(seed)
        assert len(whole[0]) > len(train)
        assert whole[1].anchors.texts == test.anchors.texts


class Told:
    """A vector for each text."""

    def __init__(self, vectors):
        self.vectors = vectors

    def encode_items(self, items, *, kind=None):
        return np.array([self.vectors[text] for text in items.texts], np.float32)


def test_figures_by_hand():
    groups = [[("red fox", "x"), ("animal", "y")], [("red ant", "z"), ("insect", "w")]]
    test = phrases.told_apart(groups, 0)
    assert {row[:3] for row in sides(test)} == {("red fox", "animal", "red ant"), ("red ant", "insect", "red fox")}
    words = {"red fox": [1, 0.1, 0], "red ant": [1, 0, 0.1], "animal": [0, 1, 0], "insect": [0, 0, 1]}
    meaning = {"red fox": [0, 1, 0], "red ant": [0, 0, 1], "animal": [0, 1, 0.1], "insect": [0, 0.1, 1]}
    half = {"red fox": [0, 1, 0], "red ant": [1, 0, 0], "animal": [0, 1, 0.1], "insect": [0, 1, 0]}
    for vectors, told, shared in ((words, 0.0, 0.5), (meaning, 1.0, 0.0), (half, 0.75, None)):
        made = Made("told", Told(vectors), (test, test), 0)
        assert meaning_or_words.of(made) == told
        if shared is not None:
            assert shared_words.of(made) == shared


def test_titles_stand_in_where_there_are_no_captions():
    train, test = TITLES_AS_PHRASES.parts(0)
    assert train.schema == test.schema == "tuples"
    assert train.columns["kind"].unique().tolist() == [0, 1]
    assert test.columns["kind"].unique().tolist() == [0]
    assert not set(train.anchors.texts) & set(test.anchors.texts)
    assert torch.equal(train.positives, TITLES_AS_PHRASES.parts(0)[0].positives)


def test_names_have_the_others_of_their_group_and_hard_negatives_that_share_a_word(captions):
    train, test = phrases.typed_phrases(0)
    assert phrases._texts(test) == phrases._texts(phrases.phrases(0)[1])
    pictures = [set(dict(picture)) for picture in phrases._pictures()]
    texts, held = train.others.texts, {text for side in phrases._texts(test) for text in side}
    assert not held & {*texts}
    for i, text in enumerate(texts):
        named, near = ({texts[j] for j in side[i].tolist() if j >= 0} for side in (train.positives, train.negatives))
        own = named | {text}
        assert own in pictures
        assert near == {other for other in texts if other not in own and phrases._shared(text, other)}


@pytest.mark.parametrize(
    ("phrase", "kind"),
    [("young man", 0), ("two ladies and a dog", 1), ("small boy", 2), ("big crowd", 3), ("cats", 4), ("red car", 5)],
)
def test_the_first_word_of_a_list_says_the_type(phrase, kind):
    assert phrases._type(phrase) == kind


def test_a_name_with_an_error_is_found_by_characters_and_not_by_words():
    class Characters:
        def encode_items(self, items, *, kind=None):
            return np.stack([np.bincount([ord(c) % 128 for c in text], minlength=128) for text in items.texts]) * 1.0

    parts = TYPED_TITLES.parts(0)
    train = parts[0]
    assert (len(train), len(train.columns["label"].unique()) > 5) == (600, True)
    assert (train.positives >= 0).sum(1).tolist() == [1] * 600
    characters, words = (
        with_typo.of(Made("", encoder, parts, 0)) for encoder in (Characters(), TYPED_TITLES.raw.encoder(parts))
    )
    assert characters == 1 > words
