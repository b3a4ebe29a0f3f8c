"""Queries that are written for documents."""

from __future__ import annotations

import pytest

from counterpoint.errors import InputError
from counterpoint.generating import Generator, Rules, with_queries


def test_documents_are_followed_by_the_different_queries_that_were_written():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        return draw.choice(["who\nsecond line", "what is it", ""])

    first, second = with_queries(["a  dog\nbarks", "a\tcat"], Generator(Rules(write)), "Ask of: {text}", queries=20)
    assert set(asked) == {"Ask of: a dog barks", "Ask of: a cat"}
    for found, text in ((first, "a dog barks"), (second, "a cat")):
        document, *queries = found.split("\t")
        assert document == text
        assert sorted(queries) == ["what is it", "who"]


def test_a_document_may_have_none():
    silent = Generator(Rules(lambda prompt, draw: "who" if "dog" in prompt else ""))
    assert with_queries(["a dog", "a cat"], silent, queries=2) == ["a dog\twho", "a cat"]
    assert with_queries([], silent) == []


def test_a_template_that_names_something_else_and_no_queries_are_refused():
    silent = Generator(Rules(lambda prompt, draw: "who"))
    with pytest.raises(InputError, match="the template names"):
        with_queries(["a dog"], silent, "{document}")
    with pytest.raises(InputError, match="0 samples"):
        with_queries(["a dog"], silent, queries=0)
