"""Statements and what they say without being so: two documents that differ by a negation, each with its query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.data import Contrast, Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.evaluate import evaluate_contrasts
from counterpoint.evaluate.frozen import similarity
from counterpoint.testbeds.bed import Figure, Given, Made, Parts, Testbed
from counterpoint.testbeds.corpora import inferences
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import TABLE, table

_OF_DOCUMENTS = ("{} not", "{}n't", "{} no longer")
_OF_QUERIES = ("it is false that", "nobody says that", "without it being so that")
"""Documents and queries say in other words that something is not so."""


def negated(text: str, number: int) -> str:
    """A document without what is so: the first "is" or "are" becomes its contrary, in one of three ways.

    Examples:
        >>> negated("A cat is asleep and is fed.", 0), negated("Cats are here.", 1)
        ('A cat is not asleep and is fed.', "Cats aren't here.")
    """
    return re.sub(r"\b(is|are)\b", lambda found: _OF_DOCUMENTS[number % 3].format(found[1]), text, count=1)


def denied(text: str, number: int) -> str:
    """A query for it, in one of three ways.

    Examples:
        >>> denied("A cat is asleep.", 1)
        'nobody says that A cat is asleep.'
    """
    return f"{_OF_QUERIES[number % 3]} {text}"


def negations(seed: int) -> Parts:
    """SNLI's premises that say that something is so, each with what follows from it: half to train on, half for test.

    Of each two rows: a hypothesis, the premise that it follows from, and the premise negated, which is no answer; then
    the denied hypothesis, the negated premise, and the premise. Column `negated` tells them apart. Which premises are
    for test is drawn by the seed.
    """
    data = inferences(0)[0]
    assert data.others is not None and data.positives is not None  # noqa: PT018 - tuples
    first, second = data.anchors[data.anchor].texts, data.others[data.positives[:, 0]].texts
    found = {p: h for p, h in zip(first, second, strict=True) if all(re.search(r"\b(is|are)\b", t) for t in (p, h))}
    return _parts(list(found.items()), seed, "SNLI, negated")


def made_negations(seed: int) -> Parts:
    """The same of 72 statements that are written by rule."""
    pairs = [
        (f"In the {place} the {who} is {does} all day", f"the {who} is {does}")
        for place, who in zip(_PLACES * 2, _WHO, strict=True)
        for does in ("asleep", "reading", "hungry", "at work", "talking", "ill")
    ]
    return _parts(pairs, seed, "made statements")


_PLACES = ("garden", "kitchen", "office", "library", "station", "theatre")
_WHO = (
    "baker",
    "clerk",
    "driver",
    "farmer",
    "nurse",
    "painter",
    "pilot",
    "poet",
    "singer",
    "tailor",
    "teacher",
    "waiter",
)


def _parts(pairs: list[tuple[str, str]], seed: int, source: str) -> tuple[Data, Data]:
    order = np.random.default_rng(seed).permutation(len(pairs)).tolist()
    half = len(pairs) // 2
    return tuple(_rows([pairs[i] for i in some], source) for some in (order[:half], order[half:]))  # type: ignore[return-value]


def _rows(pairs: Iterable[tuple[str, str]], source: str) -> Data:
    examples = []
    for i, (premise, follows) in enumerate(pairs):
        # in another of the three ways for documents and for queries
        contrary, asked = negated(premise, i), denied(follows, i // 3)
        examples += [Example(follows, (premise,), (contrary,)), Example(asked, (contrary,), (premise,))]
    rows = rows_of(examples, source)
    return replace(rows, columns={"negated": torch.arange(len(rows)) % 2})


def contrasts_of(data: Data) -> list[Contrast]:
    """Every two rows of such data as a contrast."""
    assert data.others is not None and data.positives is not None  # noqa: PT018 - tuples
    queries, documents = data.anchors[data.anchor].texts, data.others[data.positives[:, 0]].texts
    two = zip(queries[::2], queries[1::2], documents[::2], documents[1::2], strict=True)
    return [Contrast(*texts) for texts in two]


def _told_apart(made: Made) -> float:
    def score(queries: list[str], documents: list[str]) -> Float[np.ndarray, " n"]:
        q = made.encoder.encode_items(Items("text", queries), kind="query")
        d = made.encoder.encode_items(Items("text", documents), kind="document")
        return similarity(q, d)

    return evaluate_contrasts(score, contrasts_of(made.test), samples=0)["pairwise accuracy"].value  # type: ignore[arg-type]


told_apart = Figure("pairwise accuracy", _told_apart)
"""Of two documents that differ by a negation, how often both queries find their own (`evaluate_contrasts`)."""


def _contradiction(made: Made) -> float:
    both = contrasts_of(made.test)
    first, second = (
        made.encoder.encode_items(Items("text", list(texts)), kind="document")
        for texts in zip(*((each.doc1, each.doc2) for each in both), strict=True)
    )
    return float(np.mean(similarity(first, second)))


contradiction = Figure("cosine of a document with what it contradicts", _contradiction)
"""Over the test's contrasts, the mean."""


class Chance:
    """A random vector for each text."""

    def encode_items(self, items: Items, *, kind: str | None = None) -> Float[np.ndarray, "n d"]:
        """The same for equal texts."""
        from zlib import crc32

        draws = [np.random.default_rng(crc32(f"{kind} {text}".encode())) for text in items.texts]
        return np.stack([draw.standard_normal(64) for draw in draws]).astype(np.float32)


def chance(parts: Parts) -> Chance:
    """It knows nothing."""
    del parts
    return Chance()


CHANCE = Given("chance", chance)

_TABLE = "a random table of token vectors (20,000 x 256) from scratch"

NEGATIONS = Testbed(
    "negations",
    negations,
    "SNLI's premises with what follows from them, and both negated by rule in other words, half to train on and half "
    f"for test; {_TABLE}, 200 steps at a rate of 0.02",
    table,
    steps=200,
    settings=TABLE,
    raw=TF_IDF,
    figures=(told_apart,),
)


MADE_NEGATIONS = replace(
    NEGATIONS,
    name="negations, made",
    parts=made_negations,
    about=f"72 statements written by rule and queries, both also negated, half to train on and half for test; "
    f"{_TABLE}, 20 steps at a rate of 0.02",
    steps=20,
)
