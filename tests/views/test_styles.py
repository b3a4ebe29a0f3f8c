"""Styles: what they leave, and triplets of them."""

from __future__ import annotations

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


def said(found, row: int) -> tuple[str, str, str]:
    """Anchor, positive and negative of a row."""
    others = found.others.texts
    return found.anchors.texts[row], others[found.positives[row, 0]], others[found.negatives[row, 0]]


def test_triplets_share_a_style_and_the_negative_what_one_of_them_says():
    texts = [f"A large {kind} runs over the grass number {i}." for i, kind in enumerate(("dog", "cat", "hen", "cow"))]
    found = style_triplets(50)(Data.alone(Items("text", texts)), nn.Identity(), 0)
    assert found.schema == "tuples"
    assert len(found) == 200
    drawn = zip(found.columns["style"].tolist(), found.columns["of_anchor"].tolist(), strict=True)
    others = set()
    for row, (style, own) in enumerate(drawn):
        anchor, positive, negative = said(found, row)
        says = list(STYLES.values())[style]
        first, second = (next(t for t in texts if says(t) == each) for each in (anchor, positive))
        assert first != second
        (other,) = {name for name, way in STYLES.items() if way(first if own else second) == negative}
        assert other != list(STYLES)[style]
        others.add(other)
    assert set(found.columns["style"].tolist()) == set(range(len(STYLES)))
    # every style is a negative's, too, and no text is as it was: what was changed says nothing
    assert others == set(STYLES)
    assert not set(found.others.texts) & set(texts)
    again = style_triplets(50)(Data.alone(Items("text", texts)), nn.Identity(), 0)
    assert again.anchors.texts == found.anchors.texts


def test_a_text_that_a_style_leaves_as_it_is_has_no_triplet_of_it():
    data = Data.alone(Items("text", ["A DOG", "A CAT", "A hen", "A cow"]))
    found = style_triplets(20, styles=["upper case", "no articles"])(data, nn.Identity(), 0)
    rows = [said(found, i) for i in range(len(found))]
    # what is upper case already is in a triplet only without its article
    assert {anchor for anchor, _, _ in rows} == {"A HEN", "A COW", "DOG", "CAT", "hen", "cow"}
    some = style_triplets(1)(data[torch.tensor([2, 3])], nn.Identity(), 0)
    assert len(some) == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: style_triplets(0), "0 triplets"),
        (lambda: style_triplets(styles=["baroque"]), "no style 'baroque'"),
        (lambda: style_triplets(styles=["upper case"]), "one style alone"),
        (lambda: style_triplets()(Data.alone(Items("text", ["a"])), nn.Identity(), 0), "1 texts"),
        (lambda: style_triplets()(Data.alone(Items("text", ["a", "a"])), nn.Identity(), 0), "no style changes"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
