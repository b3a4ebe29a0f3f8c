"""Queries with short lists of documents, each with a score by how near it is, and of two fields."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data import Example, Retrieval, debian
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders.fields import SEPARATOR
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import TABLE, table

Listed: TypeAlias = tuple[str, dict[str, float]]
"""A query, and the score of each document of its list."""
_ASKED, _TESTED, _EACH = 2500, 500, (1, 3, 3, 3)
"""Entities to train on and for test, and how many at each distance are on a list."""
_FEW = 400


def known_queries(seed: int) -> Parts:
    """WN18RR: names of 2,500 entities, each with ten entities by their distance, and 500 of these names to ask again.

    A document is an entity's name and its gloss, and a list has the entity itself (score 1) and three each that are one
    to three facts away (3/4, 1/2, 1/4), drawn by the seed. All that are on any list are searched.
    """
    lists = _drawn(seed)
    return _rows(lists), _collection(lists[:_TESTED], _all(seed))


def new_documents(seed: int) -> Parts:
    """The same names, without a quarter of the documents, drawn by the seed, to train on; 500 are to find those."""
    lists = _drawn(seed)
    held = _held(seed)
    known = [(query, {text: score for text, score in some.items() if text not in held}) for query, some in lists]
    asked = [(query, {text: score for text, score in some.items() if text in held}) for query, some in lists]
    return _rows(known), _collection([one for one in asked if one[1]][:_TESTED], sorted(held))


def seen_documents(seed: int) -> Parts:
    """The same with these documents among those to train on, for who may know."""
    return _rows(_drawn(seed)), new_documents(seed)[1]


def scored_titles(seed: int) -> Parts:
    """The included corpus: 400 titles with their section and description, and half as good one of the same section."""
    rng, corpus = np.random.default_rng(seed), debian()
    examples = corpus.train.examples[:_FEW]
    documents = [f"{corpus.sections[e.line - 1]}{SEPARATOR}{e.positives[0]}" for e in examples]
    of = defaultdict[str, list[str]](list)
    for document in documents:
        of[document.partition(SEPARATOR)[0]].append(document)
    lists = []
    for e, own in zip(examples, documents, strict=True):
        some = of[own.partition(SEPARATOR)[0]]
        lists.append((e.anchor, {some[int(rng.integers(len(some)))]: 0.5, own: 1.0}))
    return _rows(lists), _collection(lists[:100], documents)


def _spread(made: Made) -> float:
    data = made.train
    assert data.others is not None
    assert data.positives is not None
    sides = ((data.anchors, data.anchor), (data.others, data.positives[:, 0]))
    a, b = (F.normalize(torch.from_numpy(made.encoder.encode_items(items)).float(), dim=1)[at] for items, at in sides)
    cosine, score = (a * b).sum(1), data.columns["score"]
    best = score > score.mean()
    return float(cosine[best].mean() - cosine[~best].mean())


score_gap = Figure("cosine of pairs of high scores less that of others", _spread)
"""Over the training pairs, those above the mean score and the rest."""


def _rows(lists: Sequence[Listed]) -> Data:
    examples = [Example(query, (text,), score=score) for query, some in lists for text, score in some.items()]
    return rows_of(examples, "scored lists")


def _collection(lists: Sequence[Listed], documents: Sequence[str]) -> Collection:
    place = {text: str(i) for i, text in enumerate(dict.fromkeys(documents))}
    gains = {query: {place[text]: score for text, score in some.items()} for query, some in lists}
    return Collection.of(
        Retrieval({i: text for text, i in place.items()}, {q: q for q in gains}, gains, "scored lists")
    )


@cache
def _held(seed: int) -> frozenset[str]:
    every = sorted(set(_all(seed)))
    return frozenset(every[i] for i in np.random.default_rng(seed).permutation(len(every))[: len(every) // 4])


def _all(seed: int) -> list[str]:
    return [text for _, some in _drawn(seed) for text in some]


@cache
def _drawn(seed: int) -> list[Listed]:
    told, near = _graph()
    rng, lists, names = np.random.default_rng(seed), list[Listed](), set[str]()
    for start in rng.permutation(sorted(near)).tolist():
        name, _, gloss = told[start].partition(SEPARATOR)
        if not gloss or name in names:
            continue
        rings = [[start]]
        for _ in _EACH[1:]:
            seen = {entity for ring in rings for entity in ring}
            rings.append(sorted({b for a in rings[-1] for b in near[a]} - seen))
        if all(len(ring) >= most for ring, most in zip(rings, _EACH, strict=True)):
            names.add(name)
            some: dict[str, float] = {}
            for far, (ring, most) in enumerate(zip(rings, _EACH, strict=True)):
                for entity in rng.permutation(ring)[:most].tolist():
                    some.setdefault(told[entity], 1 - far / len(_EACH))
            lists.append((name, some))
        if len(lists) == _ASKED:
            break
    return lists


@cache
def _graph() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Of each entity its name and gloss, and which it shares a fact with."""
    with gzip.open(find("wn18rr/entity2text.tsv.gz"), "rt", encoding="utf-8") as file:
        told = {
            key: text.replace(", ", SEPARATOR, 1) for key, text in (line.rstrip("\n").split("\t", 1) for line in file)
        }
    near = defaultdict[str, set[str]](set)
    with gzip.open(find("wn18rr/train.tsv.gz"), "rt", encoding="utf-8") as file:
        for line in file:
            a, _, b = line.rstrip("\n").split("\t")
            near[a].add(b)
            near[b].add(a)
    return told, dict(near)


_START = "; a random table of token vectors (20,000 x 256) from scratch, 400 steps of 256 at a rate of 0.02"
KNOWN_QUERIES = Testbed(
    "entities by distance, known names",
    known_queries,
    f"WN18RR: names of {_ASKED:,} entities, each with a list of ten entities (name and gloss) that are up to three "
    f"facts away, scored by how many, to train on; {_TESTED} of these names are to find their lists again{_START}",
    table,
    steps=400,
    settings=TABLE | {"batch_size": 256},
    raw=TF_IDF,
    figures=(found("ndcg@10"),),
)
NEW_DOCUMENTS = replace(
    KNOWN_QUERIES,
    name="entities by distance, new documents",
    parts=new_documents,
    about=KNOWN_QUERIES.about.replace("to train on", "to train on without a quarter of all documents").replace(
        "to find their lists again", "to find what is on their lists among these"
    ),
)
SEEN_DOCUMENTS = replace(NEW_DOCUMENTS, name="entities by distance, all documents", parts=seen_documents, steps=1200)
"""With the new documents among those of training, three times the steps: what the table can learn of them."""
SCORED_TITLES = replace(
    KNOWN_QUERIES,
    name="titles by section",
    parts=scored_titles,
    about="included corpus: 400 titles, each with its section and description (score 1) and those of another of its "
    "section (1/2), to train on, 100 of them for test; a random table of token vectors (20,000 x 256) from scratch, 40 "
    "steps at a rate of 0.02",
    steps=40,
    settings=TABLE,
)
