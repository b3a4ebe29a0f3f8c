"""Long documents in passages: nothing is lost, nothing is longer than it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.data import Documents, in_passages, in_sentences, passages
from counterpoint.errors import InputError

TEXT = st.text(st.sampled_from("ab .!?\n是。é\u200b\U0001f600'"), max_size=80)


@given(TEXT, st.integers(1, 7))
def test_every_character_that_is_no_blank_is_in_one_passage(text, words):
    found = passages(text, words)
    assert "".join("".join(found).split()) == "".join(text.split())
    if len(found) > 1:
        assert all(part and part == part.strip() for part in found)
        # of scripts without blanks characters count
        assert all(len(part.split()) <= words for part in found)


@given(TEXT)
def test_what_is_short_enough_stays_as_it_is(text):
    assert passages(text, 1000) == [text]


def test_sentences_stay_whole_where_they_can():
    text = "One two three. Four five.  Six seven eight nine ten eleven. End."
    assert passages(text, 5) == ["One two three. Four five.", "Six seven eight nine ten", "eleven. End."]
    assert passages(text, 4) == ["One two three.", "Four five.", "Six seven eight nine", "ten eleven. End."]
    assert " ".join(passages(text, 1)).split() == text.split()
    assert in_sentences(text) == ["One two three.", "Four five.", "Six seven eight nine ten eleven.", "End."]


def test_characters_count_where_there_are_no_blanks():
    assert passages("我们今天去公园。明天回家。", 5) == ["我们今天去", "公园。", "明天回家。"]


def test_documents_keep_their_columns():
    documents = Documents(["a", "b"], ["x y. z.", "short"], {"n": [1, None]}, "memory", roles={"id": "id"})
    found = in_passages(documents, 2)
    assert found.ids == ["a#1", "a#2", "b#1"]
    assert found.columns == {"n": [1, 1, None], "document": ["a", "a", "b"], "passage": [1, 2, 1]}
    assert found.roles == {"id": "id"}
    with pytest.raises(InputError, match="a column 'document' already"):
        in_passages(found, 2)
    with pytest.raises(InputError, match="passages of 0 words"):
        in_passages(documents, 0)
