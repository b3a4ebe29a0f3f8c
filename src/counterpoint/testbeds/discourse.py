"""Sentences of articles in their order: where does a sentence stand, and which of two comes first?"""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.evaluate.discourse import both_orders, first_and_differences
from counterpoint.objectives import Logits, Part
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.figures import projection, representation, tuned_probe
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.sequences import PACKAGES_IN_ORDER
from counterpoint.testbeds.texts import TABLE, table
from counterpoint.views.sequences import window_starts
from counterpoint.views.structure import structure

PLACES, WINDOW, PAIR = "place", 5, 2
"""Column that the criteria tell; sentences of which the first is to be placed; sentences to be ordered."""
_WORDS, _FEWEST, _MOST = 24, 3, 1200


def articles(seed: int) -> Parts:
    """WikiText-2 (Merity et al. 2017): sentences of 60 articles in their order to train on, of 62 others for test.

    The development part trains and the test part tests. Columns `document`, `paragraph` and `level` (0: before the
    first section). The same for every seed.
    """
    del seed
    return _articles("valid"), _articles("test")


@cache
def _articles(part: str) -> Data:
    with gzip.open(find(f"text/wikitext2_{part}.txt.gz"), "rt", encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip()]
    texts, known = list[str](), list[tuple[int, int, int]]()
    document, level = -1, 0
    for paragraph, line in enumerate(lines):
        if title := re.fullmatch(r"((?:= )+).*?(?: =)+", line):
            level = title[1].count("=") - 1
            document += level == 0
            continue
        for sentence in re.split(r"(?<= [.?!]) ", line):
            words = sentence.split()
            if len(words) >= _FEWEST:
                texts.append(" ".join(words[:_WORDS]))
                known.append((document, paragraph, level))
    columns = dict(zip(("document", "paragraph", "level"), torch.tensor(known).T, strict=True))
    return Data.alone(Items("text", texts), source=f"WikiText-2 {part}", **columns)


def _windows(made: Made, data: Data, size: int) -> Float[np.ndarray, "w k d"]:
    """Vectors of sentences that stand together in a paragraph, of at most so many windows."""
    start = window_starts(data, size, "paragraph").numpy()
    drawn = np.sort(np.random.default_rng(made.seed).permutation(start)[:_MOST])
    rows = drawn[:, None] + np.arange(size)
    z = representation(made, data[torch.from_numpy(rows.ravel())])
    return z.reshape(len(rows), size, -1)


def _placed(made: Made) -> float:
    """DiscoEval's sentence position on both parts: the probe is fitted on that of training."""
    sides = []
    for data in (made.train, made.test):
        z = _windows(made, data, WINDOW)
        place = np.random.default_rng(made.seed).integers(WINDOW, size=len(z))
        order = np.array([[p, *(i for i in range(WINDOW) if i != p)] for p in place])
        sides.append((first_and_differences(z[np.arange(len(z))[:, None], order]), place.astype(str)))
    (x, names), (y, truth) = sides
    return float((tuned_probe(x, names.tolist(), y) == truth).mean())


def _ordered(made: Made) -> float:
    """Its binary sentence ordering, likewise."""
    (x, names), (y, truth) = (
        both_orders(z[:, 0], z[:, 1]) for z in (_windows(made, data, PAIR) for data in (made.train, made.test))
    )
    return float((tuned_probe(x, names.tolist(), y) == truth).mean())


def _discourse(made: Made) -> float:
    return (_placed(made) + _ordered(made)) / 2


sentence_position = Figure("accuracy of sentence position", _placed)
"""By a logistic probe of the first vector and its differences from four others; 0.2 by chance."""

sentence_order = Figure("accuracy of binary sentence ordering", _ordered)
"""By a logistic probe of both vectors and their difference, each pair in both orders; 0.5 by chance."""

discourse = Figure("mean accuracy of sentence position and ordering", _discourse)
"""Of the two; 0.35 by chance."""


def _told(made: Made) -> float:
    z = torch.from_numpy(projection(made, made.test))
    parts = [part for part in ([] if made.objective is None else made.objective.modules()) if isinstance(part, Part)]
    (part,) = (p for p in parts if isinstance(p.objective, Logits) and p.objective.column == PLACES)
    said = z[:, part.first : part.last]
    right = structure(1, said.shape[1])(made.test, nn.Identity(), 0).columns[PLACES]
    return float((said.argmax(1) == right).float().mean())


place_told = Figure("share of test sentences whose place is told", _told)
"""By the classifier of places that was trained beside the encoder, in 20 buckets."""

ARTICLES = Testbed(
    "articles in order",
    articles,
    f"WikiText-2: sentences of 60 articles to train on, each cut after {_WORDS} words, and for probes at most "
    f"{_MOST:,} windows of {WINDOW} and of {PAIR} of them, drawn by the seed, as many of 62 other articles for test; "
    "a random table of token vectors, 400 steps of 64 at a rate of 0.02",
    table,
    steps=400,
    settings=TABLE | {"batch_size": 64},
    raw=TF_IDF,
    figures=(discourse,),
)
FEW_IN_ORDER = replace(
    PACKAGES_IN_ORDER,
    name="packages in order, words",
    about="included corpus: 600 descriptions in the order of their packages' names to train on, as documents of 60; a "
    "random table of token vectors, 40 steps at a rate of 0.02",
    start=table,
    settings=TABLE,
    figures=(),
)
