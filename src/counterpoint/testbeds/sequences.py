"""Texts in order: which one comes next, among those that come next elsewhere."""

from __future__ import annotations

import csv
import gzip
import re
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.search._unit import unit
from counterpoint.search.mixtures import pairwise_mixtures
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, QUICK_BERT, SMOLLM2, quick_bert, smollm2
from counterpoint.views.sequences import AFTER, BEFORE, FIRST, SECOND, window_starts

SIZE = 5
"""Texts of a window: four, and the one that comes next."""
_WORDS, _FEWEST, _MOST, _TESTED = 16, 4, 60, 30


def speeches(seed: int) -> Parts:
    """Speeches of US presidents, sentence by sentence: 30 speeches drawn by the seed are the test.

    Of each speech the first 60 sentences of four words or more, each cut after 16. Column `document`: which speech.
    """
    every = _speeches()
    order = np.random.default_rng(seed).permutation(len(every))
    train, test = ([every[i] for i in sorted(some)] for some in (order[_TESTED:], order[:_TESTED]))
    return _data(train, "presidents"), _data(test, "presidents")


def all_speeches(seed: int) -> Parts:
    """The same with the test's speeches among those of training."""
    return _data(list(_speeches()), "presidents"), speeches(seed)[1]


def packages_in_order(seed: int) -> Parts:
    """The included corpus: the first 900 descriptions in the order of their packages' names, as documents of 60.

    Those of one project are called alike and so stand together. Five documents, drawn by the seed, are the test.
    """
    texts = [_cut(text) for _, text in sorted(debian().heldout.corpus.items())[: 15 * _MOST]]
    documents = [tuple(texts[i : i + _MOST]) for i in range(0, len(texts), _MOST)]
    order = np.random.default_rng(seed).permutation(len(documents))
    train, test = ([documents[i] for i in sorted(some)] for some in (order[5:], order[:5]))
    return _data(train, "included corpus"), _data(test, "included corpus")


def _data(documents: list[tuple[str, ...]], source: str) -> Data:
    number = torch.tensor([i for i, texts in enumerate(documents) for _ in texts])
    return Data.alone(Items("text", [text for texts in documents for text in texts]), source=source, document=number)


def _cut(text: str) -> str:
    return " ".join(text.split()[:_WORDS])


@cache
def _speeches() -> tuple[tuple[str, ...], ...]:
    with gzip.open(find("text/presidents.tsv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        sentences = re.split(r"(?<=[.?!]) +", row["paragraph"].strip())
        key = (row["corpus"], row["year"], row["president"])
        found.setdefault(key, []).extend(_cut(text) for text in sentences if len(text.split()) >= _FEWEST)
    return tuple(tuple(texts[:_MOST]) for texts in found.values() if len(texts) >= SIZE)


def _encoded(made: Made, role: str) -> Float[np.ndarray, "n d"]:
    texts = Items("text", [role + made.test.anchors.texts[i] for i in made.test.anchor.tolist()])
    return made.encoder.encode_items(texts)


def _rank(made: Made, *, mixed: bool) -> float:
    start = window_starts(made.test, SIZE).numpy()
    before = start[:, None] + np.arange(SIZE - 1)
    if mixed:
        context = pairwise_mixtures(*(_encoded(made, role)[before] for role in (FIRST, SECOND)))
    else:
        context = unit(_encoded(made, BEFORE)[before]).sum(1)
    scores = context @ unit(_encoded(made, AFTER)[start + SIZE - 1]).T
    own = scores.diagonal()[:, None]
    # equal scores may stand in any order
    places = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return float(places.mean())


def _rank_by_mixtures(made: Made) -> float:
    return _rank(made, mixed=True)


def _rank_by_each(made: Made) -> float:
    return _rank(made, mixed=False)


rank_by_mixtures = Figure("mean rank of the text that comes next", _rank_by_mixtures)
"""Of four texts, by the sum of cosines with the mixtures of every two, among what comes next in all test windows."""

rank_by_each = Figure("mean rank of the text that comes next, by each before it", _rank_by_each)
"""The same by the sum of its cosines with the four."""


def _later(made: Made) -> float:
    start = window_starts(made.test, SIZE).numpy()
    first, second, after = (_encoded(made, role) for role in (FIRST, SECOND, AFTER))
    mixtures = [unit((first[start + i] + second[start + j]) / 2) for i, j in ((2, 3), (0, 1))]
    late, early = ((side * unit(after[start + SIZE - 1])).sum(1).mean() for side in mixtures)
    return float(late - early)


later_is_nearer = Figure("cosine of what comes next with the last two texts, less that with the first two", _later)
"""Means over the test's windows, of mixtures."""


SPEECHES = Testbed(
    "speeches in order",
    speeches,
    f"speeches of US presidents: at most {_MOST} sentences each of 91 speeches to train on, each cut after {_WORDS} "
    f"words; windows of {SIZE} of {_TESTED} others, drawn by the seed, for test; {SMOLLM2}, then 120 steps of 32 at a "
    "rate of 5e-4",
    smollm2,
    steps=120,
    settings=FEW_LAYERS | {"batch_size": 32},
    raw=TF_IDF,
    figures=(rank_by_mixtures, rank_by_each),
)
ALL_SPEECHES = replace(
    SPEECHES,
    name="speeches in order, all",
    parts=all_speeches,
    steps=240,
    about="the same with the test's speeches among those of training, and 240 steps",
)
"""With the test's speeches, too, and twice the steps."""
PACKAGES_IN_ORDER = replace(
    SPEECHES,
    name="packages in order",
    parts=packages_in_order,
    about="included corpus: 600 descriptions in the order of their packages' names to train on, windows of "
    f"{SIZE} of 300 others for test; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
    start=quick_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
)
