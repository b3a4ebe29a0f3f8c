"""Graphs that are written as texts: others that say the same, and others that are wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn

from counterpoint.data.graph_texts import Edge, after, connected, edges_of, graph_text
from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.search.bm25 import STOPWORDS
from counterpoint.views.meaning import Thesaurus

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

Edit: TypeAlias = Callable[[Sequence[Edge], Sequence[str], random.Random], "list[Edge] | None"]
"""From a graph, all relations and a source of chance to another graph; None where it cannot be made."""


def graph_edits(thesaurus: Thesaurus | None = None) -> Prepare:
    """A step before training: each row's graph, then one that says the same as positives, and five wrong ones.

    Rows are pairs of a text and a graph. A graph says the same when its concepts are in other words, or, without a
    thesaurus, when its edges stand in another order. The negatives are in this order, where a graph has some (-1: it
    has none): an edge more, so that there is a cycle; an edge less, so that it falls apart; both; an edge less, so that
    it does not; other relations at some of the edges.

    Source: Saha, Yadav and Bansal 2022, "Explanation Graph Generation via Pre-trained Language Models: An Empirical
    Study with Contrastive Learning": concepts in other words, and what differs in the negatives that are published
    with the authors' code.

    Args:
        thesaurus: Such as `counterpoint.data.WordNet()`.

    Raises:
        InputError: of the step: rows that are no pairs of texts, or of which one is no graph.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> pairs = rows_of([Example("a; d", ("(a; is; b)(b; is; c)(c; has; d)",))])
        >>> data = graph_edits()(pairs, nn.Identity(), 0)
        >>> texts = data.others.texts
        >>> [texts[i] for i in data.negatives[0, 1:4:2].tolist()]
        ['(a; is; b)(c; has; d)', '(b; is; c)(c; has; d)']
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        if data.others is None or data.positives is None or data.modalities != ("text", "text"):
            raise InputError("there is no graph beside each text", fix="give pairs of a text and a graph")
        draw = random.Random(seed)
        graphs = [edges_of(data.others.texts[i]) for i in data.positives[:, 0].tolist()]
        relations = list(dict.fromkeys(relation for edges in graphs for _, relation, _ in edges))
        number: dict[str, int] = {}

        def numbered(edges: Sequence[Edge] | None) -> int:
            return -1 if edges is None else number.setdefault(graph_text(edges), len(number))

        positives, negatives = [], []
        for edges in graphs:
            alike = _reordered(edges, draw) if thesaurus is None else _reworded(edges, thesaurus, draw)
            positives.append([numbered(edges), numbered(alike)])
            negatives.append([numbered(edit(edges, relations, draw)) for edit in EDITS])
        others = Items("text", list(number))
        return replace(data, others=others, positives=torch.tensor(positives), negatives=torch.tensor(negatives))

    return prepare


def _reordered(edges: Sequence[Edge], draw: random.Random) -> list[Edge]:
    return draw.sample(edges, len(edges))


def _reworded(edges: Sequence[Edge], thesaurus: Thesaurus, draw: random.Random) -> list[Edge]:
    """Each concept in other words, the same wherever it stands."""

    def other(word: str) -> str:
        return draw.choice((() if word in STOPWORDS else thesaurus.synonyms(word)) or [word])

    concepts = dict.fromkeys(concept for a, _, b in edges for concept in (a, b))
    new = {concept: " ".join(map(other, concept.split())) for concept in concepts}
    return [(new[a], relation, new[b]) for a, relation, b in edges]


def _cycle(edges: Sequence[Edge], relations: Sequence[str], draw: random.Random) -> list[Edge]:
    """An edge from a concept back to one that it can be reached from."""
    ways = [(b, a) for a in dict.fromkeys(edge[0] for edge in edges) for b in sorted(after(edges, a))]
    last, first = draw.choice(ways)
    return [*edges, (last, draw.choice(relations), first)]


def _apart(edges: Sequence[Edge], relations: Sequence[str], draw: random.Random) -> list[Edge] | None:
    """Without an edge that holds two parts together."""
    del relations
    return _without(edges, draw, whole=False)


def _both(edges: Sequence[Edge], relations: Sequence[str], draw: random.Random) -> list[Edge] | None:
    """In two parts, and with a cycle."""
    parts = _apart(edges, relations, draw)
    return parts and _cycle(parts, relations, draw)


def _missing(edges: Sequence[Edge], relations: Sequence[str], draw: random.Random) -> list[Edge] | None:
    """Without an edge that it holds together without, mostly of a concept less."""
    del relations
    return _without(edges, draw, whole=True)


def _without(edges: Sequence[Edge], draw: random.Random, *, whole: bool) -> list[Edge] | None:
    rests = [[*edges[:i], *edges[i + 1 :]] for i in range(len(edges))]
    rests = [rest for rest in rests if rest and connected(rest) == whole]
    return draw.choice(rests) if rests else None


def _relations(edges: Sequence[Edge], relations: Sequence[str], draw: random.Random) -> list[Edge] | None:
    """Another relation at one edge or more."""
    if len(relations) < 2:
        return None
    changed = draw.sample(range(len(edges)), draw.randint(1, len(edges)))
    new = list(edges)
    for i in changed:
        a, relation, b = edges[i]
        new[i] = (a, draw.choice([other for other in relations if other != relation]), b)
    return new


EDITS: tuple[Edit, ...] = (_cycle, _apart, _both, _missing, _relations)
"""What is wrong with a negative."""
