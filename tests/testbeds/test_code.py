"""Code search: what is asked for was not trained on, and functions by rule are what they say."""

from __future__ import annotations

import ast

import pytest

from counterpoint.data.hashing import normalise
from counterpoint.testbeds.code import functions, made_and_judged, made_functions, seen_functions


def test_functions_by_rule_parse_and_half_of_them_are_asked():
    train, test = made_functions(0)
    assert (len(train), len(test.queries), len(test.corpus)) == (144, 72, 72)
    for text in train.others.texts:
        ast.parse(text)
    judged = made_and_judged(0)[0]
    assert judged.schema == "tuples"
    assert (judged.negatives != judged.positives).all()


@pytest.mark.slow
def test_nothing_that_is_asked_was_trained_on():
    train, test = functions(0)
    trained = {normalise(text) for side in (train.anchors, train.others) for text in side.texts}
    asked = {normalise(text) for side in (test.queries, test.corpus) for text in side.texts}
    assert not trained & asked
    assert len(train) > 1000
    assert len(test.queries) > 100
    assert len(seen_functions(0)[0]) > len(train)
