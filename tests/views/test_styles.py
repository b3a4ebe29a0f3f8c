"""Styles: what they leave, and triplets of them."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views.styles import STYLES, style_triplets

TEXT = "A large dog runs over the wet grass."
SAID = {
    "lower case": "a large dog runs over the wet grass",
    "upper case": "A LARGE DOG RUNS OVER THE WET GRASS.",
    "title case": "A Large Dog Runs Over The Wet Grass.",
    "no articles": "large dog runs over wet grass.",
    "no vowels": "A lrg dog rns ovr the wet grss.",
    "stretched": "A largeeee dog runs over the wet grass.",
    "starred": "A *large* dog runs over the wet grass.",
    "hashtag": "A #large dog runs over the wet grass.",
    "pauses": "A large, dog runs, over the, wet grass.",
    "hesitant": "A large, um, dog runs over the wet grass.",
    "exclaimed": "A large dog runs over the wet grass!!!",
    "trailing off": "A large dog runs over the wet grass...",
    "asking": "A large dog runs over the wet grass, right?",
    "smiling": "A large dog runs over the wet grass :)",
    "hedged": "maybe a large dog runs over the wet grass.",
    "formal": "it may be observed that a large dog runs over the wet grass.",
    "archaic": "lo, a large dog runs over the wet grass.",
    "reported": "I saw that a large dog runs over the wet grass.",
}


def test_every_style_by_hand():
    assert {name: says(TEXT) for name, says in STYLES.items()} == SAID


@given(text=st.text(max_size=40))
def test_any_text_is_taken(text):
    for says in STYLES.values():
        assert isinstance(says(text), str)


def test_triplets_share_a_style_and_words():
    texts = [f"A {kind} runs over the grass number {i}." for i, kind in enumerate(("dog", "cat", "hen", "cow"))]
    found = style_triplets(50)(Data.alone(Items("text", texts)), nn.Identity(), 0)
    assert found.schema == "tuples"
    assert len(found) == 200
    drawn = zip(found.columns["style"].tolist(), found.columns["of_anchor"].tolist(), strict=True)
    for row, (style, own) in enumerate(drawn):
        says = list(STYLES.values())[style]
        anchor, positive, negative = (
            found.anchors.texts[row], found.others.texts[2 * row], found.others.texts[2 * row + 1]
        )  # fmt: skip
        assert negative in texts
        first, second = (next(t for t in texts if says(t) == said) for said in (anchor, positive))
        assert first != second
        assert negative == (first if own else second)
    assert set(found.columns["style"].tolist()) == set(range(len(STYLES)))
    again = style_triplets(50)(Data.alone(Items("text", texts)), nn.Identity(), 0)
    assert again.anchors.texts == found.anchors.texts


def test_a_text_that_a_style_leaves_as_it_is_has_no_triplet_of_it():
    data = Data.alone(Items("text", ["A DOG.", "A CAT.", "a hen", "a cow"]))
    found = style_triplets(20, styles=["upper case"])(data, nn.Identity(), 0)
    assert set(found.anchors.texts) == {"A HEN", "A COW"}
    assert {re.sub("[^a-z]", "", t) for t in found.others.texts[1::2]} == {"ahen", "acow"}
    some = style_triplets(1)(data[torch.tensor([2, 3])], nn.Identity(), 0)
    assert len(some) == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: style_triplets(0), "0 triplets"),
        (lambda: style_triplets(styles=["baroque"]), "no style 'baroque'"),
        (lambda: style_triplets()(Data.alone(Items("text", ["a"])), nn.Identity(), 0), "1 texts"),
        (lambda: style_triplets()(Data.alone(Items("text", ["a", "a"])), nn.Identity(), 0), "no style changes"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
