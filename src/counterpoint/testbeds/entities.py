"""Entities of WordNet: what a graph says of each as a string, and its gloss, of which some words are another's."""

from __future__ import annotations

import gzip
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import RETRIEVAL, TABLE, table

PAIRED, JUDGED, TESTED = 4000, 1500, 500
"""Entities that have their own gloss, that have judged ones to train on, and for test."""
SWAPPED = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a gloss's words that are another's."""
_FEWEST, _MOST = 2, 6
"""Facts of an entity."""
Row: TypeAlias = tuple[str, str, float]
"""A graph, a gloss, and the share of the gloss's words that are its own; NaN: not judged."""


@dataclass(frozen=True)
class Entity:
    """What is known of one.

    Attributes:
        graph: Its facts, one after another: "beaver | hypernym | rodent ; beaver | has part | tail".
        gloss: What it is, in words.
    """

    graph: str
    gloss: str


def linearised(facts: Sequence[tuple[str, str, str]]) -> str:
    """Facts as one string.

    Examples:
        >>> linearised([("beaver", "_hypernym", "rodent"), ("beaver", "_has_part", "tail")])
        'beaver | hypernym | rodent ; beaver | has part | tail'
    """
    return " ; ".join(f"{a} | {relation.strip('_').replace('_', ' ')} | {b}" for a, relation, b in facts)


def with_words_of(gloss: str, donor: str, share: float, generator: np.random.Generator) -> str:
    """The gloss with so large a share of its words, drawn, replaced by words of another.

    Examples:
        >>> with_words_of("a large rodent", "small", 1.0, np.random.default_rng(0))
        'small small small'
    """
    words, others = gloss.split(), donor.split()
    for place in generator.permutation(len(words))[: round(share * len(words))]:
        words[place] = others[generator.integers(len(others))]
    return " ".join(words)


@cache
def entities() -> tuple[Entity, ...]:
    """Entities of WN18RR's training graph (Dettmers et al. 2018) with at least two facts, at most six of each."""
    with gzip.open(find("wn18rr/entity2text.tsv.gz"), "rt", encoding="utf-8") as file:
        told = {key: text.partition(", ") for key, text in (line.rstrip("\n").split("\t", 1) for line in file)}
    facts = defaultdict[str, list[tuple[str, str, str]]](list)
    with gzip.open(find("wn18rr/train.tsv.gz"), "rt", encoding="utf-8") as file:
        for line in file:
            a, relation, b = line.rstrip("\n").split("\t")
            facts[a].append((told[a][0], relation, told[b][0]))
    # of those whose facts read alike the first
    glosses = dict[str, str]()
    for key, of in facts.items():
        if len(of) >= _FEWEST and told[key][2]:
            glosses.setdefault(linearised(of[:_MOST]), told[key][2])
    return tuple(Entity(graph, gloss) for graph, gloss in glosses.items())


def kept_words(seed: int, *, seen: bool = False) -> Parts:
    """4,000 entities with their gloss, and others with glosses of which is known which share of the words is their own.

    Column `score`: that share, or NaN where the gloss is not judged. Of each judged entity there are five glosses, from
    its own to one of words of another's alone. The test is of judged glosses of other entities, drawn by the seed.

    Args:
        seed: Of the draws.
        seen: Whether the test's are among those to train on, for who may know.
    """
    pairs, judged, tested = _drawn(seed)
    test = _judged(tested, seed)
    return _data([*_own(pairs), *_judged(judged, seed), *(test if seen else [])], seed), _data(test, seed)


def found_by_graph(seed: int, *, seen: bool = False) -> Parts:
    """The same to train on; for test the glosses of 500 other entities, each of which its graph should find."""
    pairs, judged, tested = _drawn(seed)
    test = _own(tested)
    train = [*_own(pairs), *_judged(judged, seed), *(test if seen else [])]
    return _data(train, seed), replace(_data(test, seed), columns={})


def seen_words(seed: int) -> Parts:
    """`kept_words` with the test's among them."""
    return kept_words(seed, seen=True)


def seen_graphs(seed: int) -> Parts:
    """`found_by_graph` with the test's among them."""
    return found_by_graph(seed, seen=True)


def _drawn(seed: int) -> tuple[list[Entity], list[Entity], list[Entity]]:
    """Those with a gloss, the judged ones and those for test."""
    every = entities()
    order = np.random.default_rng(seed).permutation(len(every))[: PAIRED + JUDGED + TESTED]
    chosen = [every[i] for i in order.tolist()]
    return chosen[:PAIRED], chosen[PAIRED:-TESTED], chosen[-TESTED:]


def _own(of: Sequence[Entity]) -> list[Row]:
    return [(entity.graph, entity.gloss, math.nan) for entity in of]


def _judged(of: Sequence[Entity], seed: int) -> list[Row]:
    generator, rows = np.random.default_rng(seed), list[Row]()
    for i, entity in enumerate(of):
        donor = of[(i + 1) % len(of)].gloss
        rows += [(entity.graph, with_words_of(entity.gloss, donor, s, generator), 1 - s) for s in SWAPPED]
    return rows


def _data(rows: Sequence[Row], seed: int) -> Data:
    graphs, glosses, scores = zip(*rows, strict=True)
    place = torch.arange(len(rows))
    # tokens are of the texts of one seed
    source, score = f"WN18RR, drawn by {seed}", torch.tensor(scores)
    columns = {"score": score}
    return Data(
        Items("text", list(graphs)), place, Items("text", list(glosses)), place[:, None], columns=columns, source=source
    )


_ABOUT = (
    f"WN18RR: {PAIRED:,} entities, the facts of each as a string beside its gloss, and {JUDGED:,} others with five "
    "glosses each, of which no word, a quarter, half, three quarters and all are another's, to train on; "
)
_START = "; a random table of token vectors (20,000 x 256) from scratch, 300 steps of 64 at a rate of 0.02"
KEPT_WORDS = Testbed(
    "glosses by their own words",
    kept_words,
    f"{_ABOUT}as many glosses of each of {TESTED} further entities for test, by the share of their own words{_START}",
    table,
    steps=300,
    settings=TABLE | {"batch_size": 64},
    raw=TF_IDF,
    figures=(spearman,),
)
SEEN_WORDS = replace(KEPT_WORDS, name="glosses by their own words, seen", parts=seen_words, steps=600)
"""With the test's judged glosses among those of training."""
FOUND_BY_GRAPH = replace(
    KEPT_WORDS,
    name="glosses by their graph",
    parts=found_by_graph,
    about=f"{_ABOUT}the glosses of {TESTED} further entities for test, which their graphs should find{_START}",
    figures=RETRIEVAL,
)
SEEN_GRAPHS = replace(FOUND_BY_GRAPH, name="glosses by their graph, seen", parts=seen_graphs, steps=600)
"""With the test's pairs among those of training."""
