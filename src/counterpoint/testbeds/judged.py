"""Testbeds of pairs that people have judged: of Portuguese, and of the included corpus."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from counterpoint.data import TextData, read
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import likeness
from counterpoint.testbeds.files import find
from counterpoint.testbeds.texts import LIKENESS, QUICK_BERT, SCORED_SENTENCES, SMOLLM2


def portuguese(seed: int) -> Parts:
    """STS-B (Cer et al. 2017), translated to Portuguese: its judged pairs to train on and for test.

    The same for every seed.
    """
    del seed
    return _portuguese("train"), _portuguese("test")


def seen_portuguese(seed: int) -> Parts:
    """The same with the test's pairs among those of training: an oracle's."""
    del seed
    return _portuguese("train", "test"), _portuguese("test")


def judged_titles(seed: int) -> Parts:
    """The pairs of `likeness`: those of half of the titles to train on, of the others for test."""
    scored = likeness(seed)[1]
    assert isinstance(scored, Data)
    train = scored.anchor >= len(scored.anchors) // 2
    return scored[train], scored[~train]


@cache
def _portuguese(*parts: str) -> Data:
    every: list[Any] = []
    for part in parts:
        data = read(find(f"stsb/pt-{part}.tsv"))
        assert isinstance(data, TextData)
        every += data.examples
    return rows_of(every, "STS-B in Portuguese")


PORTUGUESE = replace(
    SCORED_SENTENCES,
    name="STS-B, Portuguese",
    parts=portuguese,
    about="STS-B in Portuguese, 5,749 training pairs with their scores and 1,379 test pairs; "
    f"{SMOLLM2}, then 400 steps of 64 at a rate of 5e-4",
)


SEEN_PORTUGUESE = replace(PORTUGUESE, name="STS-B, Portuguese, seen", parts=seen_portuguese, steps=800)
"""With the pairs of the test among those of training: what the model can learn of them."""


JUDGED_TITLES = replace(
    LIKENESS,
    name="likeness, judged",
    parts=judged_titles,
    about="150 titles of the included corpus with a description of their own, one of the same section and one of "
    f"another, scored 2, 1 and 0, to train on; as many for test; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
)
