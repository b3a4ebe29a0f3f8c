"""Titles of packages that find their description, and a writer that knows what other packages are described as."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data import Retrieval, debian
from counterpoint.data.rows import rows_of
from counterpoint.generating import Generator, Rules
from counterpoint.search import BM25
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.texts import SMOLLM2, TITLES, smollm2, table

_ASKED, _KNOWN, _NEAREST = 200, 8, 5
"""Titles that are asked; of so many known packages one is known to a writer that knows little; what is drawn from."""


def held_titles(seed: int) -> Parts:
    """Titles and descriptions to know, and 200 held-out titles of the seed, against all held-out descriptions."""
    test = _held()
    drawn = np.random.default_rng(seed).permutation(sorted(test.queries))[:_ASKED].tolist()
    asked = replace(test, queries={q: test.queries[q] for q in drawn}, qrels={q: test.qrels[q] for q in drawn})
    return rows_of(debian().train.examples, "included corpus"), Collection.of(asked)


@cache
def _held() -> Retrieval:
    """The held-out titles, and of all descriptions those that are of one of them."""
    test = debian().heldout
    right = {name for gains in test.qrels.values() for name in gains}
    return replace(test, corpus={name: text for name, text in test.corpus.items() if name in right})


def _asked(prompt: str) -> str:
    found = re.search(r"Question: (.*)\n", prompt)
    return prompt if found is None else found[1]


def _writer(name: str, choose: Callable[[str, random.Random], str]) -> Generator:
    return Generator(Rules(lambda prompt, draw: choose(_asked(prompt), draw), name=name))


@cache
def _index(every: int) -> tuple[BM25, list[str]]:
    examples = debian().train.examples[::every]
    return BM25([e.anchor for e in examples]), [e.positives[0] for e in examples]


def _of_nearest(query: str, draw: random.Random, every: int) -> str:
    index, descriptions = _index(every)
    ids, _ = index.search([query], _NEAREST)
    return descriptions[draw.choice([i for i in ids[0].tolist() if i >= 0] or [0])]


@cache
def writer() -> Generator:
    """Says how one of the five known packages is described whose titles are nearest, in words, to what is asked."""
    return _writer("nearest titles", lambda query, draw: _of_nearest(query, draw, 1))


@cache
def writer_of_little() -> Generator:
    """The same, and knows one package of eight."""
    return _writer("nearest titles of some", lambda query, draw: _of_nearest(query, draw, _KNOWN))


@cache
def writer_of_anything() -> Generator:
    """Says how some known package is described."""
    return _writer("any title", lambda _query, draw: draw.choice(_index(1)[1]))


@cache
def writer_of_answers() -> Generator:
    """Knows the description that is asked for, and says half of its words: an oracle."""
    test = _held()
    right = {test.queries[q]: test.corpus[next(iter(gains))] for q, gains in test.qrels.items()}

    def choose(query: str, draw: random.Random) -> str:
        words = right.get(query, query).split()
        return " ".join(draw.sample(words, (len(words) + 1) // 2))

    return _writer("half of the answer", choose)


def _near(made: Made) -> float:
    test = made.parts[1]
    assert isinstance(test, Collection)
    asked = [(q, d) for q, gains in test.answers.relevant.items() for d in gains if d >= 0][:64]
    rows = torch.tensor(asked)
    q = made.encoder.encode_items(test.queries[rows[:, 0]], kind="query")
    d = made.encoder.encode_items(test.corpus[rows[:, 1]], kind="document")
    return float(F.cosine_similarity(torch.from_numpy(q), torch.from_numpy(d), dim=1).mean())


answer_near = Figure("cosine of a query with its answer", _near)
"""Over 64 queries."""


HELD_TITLES = replace(
    TITLES,
    name="titles, held out",
    parts=held_titles,
    about="included corpus: 200 held-out titles, drawn by the seed, against the 1,500 held-out descriptions; 37,500 "
    f"other packages are known to what writes; {SMOLLM2}, not trained",
    start=smollm2,
    steps=0,
    settings={},
)


HELD_TITLES_ON_TABLE = replace(
    HELD_TITLES,
    name="titles, held out, a table",
    about="included corpus: 200 held-out titles, drawn by the seed, against the 1,500 held-out descriptions; 37,500 "
    "other packages are known to what writes; a random table of token vectors (20,000 x 256), not trained",
    start=table,
)
