"""Graphs that are written as a text, edge after edge: `(a; relation; b)(b; relation; c)`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from counterpoint.errors import InputError

Edge: TypeAlias = tuple[str, str, str]
"""From a concept by a relation to a concept."""

_EDGE = re.compile(r"\(([^();]+);([^();]+);([^();]+)\)")


def edges_of(text: str) -> tuple[Edge, ...]:
    """The edges of a graph, in their order; blanks around names do not count.

    Source of the format: Saha et al. 2021, "ExplaGraphs: An Explanation Graph Generation Task for Structured
    Commonsense Reasoning", the published data.

    Raises:
        InputError: The text is no such graph.

    Examples:
        >>> edges_of("(marijuana; is a; drug) ( drug ; causes ; harm )")
        (('marijuana', 'is a', 'drug'), ('drug', 'causes', 'harm'))
    """
    edges = tuple((a.strip(), r.strip(), b.strip()) for a, r, b in _EDGE.findall(text))
    if not edges or _EDGE.sub("", text).strip() or not all(map(all, edges)):
        raise InputError(f"{text[:60]!r} is no graph", fix="write its edges as (a; relation; b)(b; relation; c)")
    return edges


def graph_text(edges: Sequence[Edge]) -> str:
    """The text of a graph.

    Examples:
        >>> graph_text([("drug", "causes", "harm")])
        '(drug; causes; harm)'
    """
    return "".join(f"({'; '.join(edge)})" for edge in edges)


def connected(edges: Sequence[Edge]) -> bool:
    """Whether each concept can be reached from each other one, whatever the edges' directions.

    Examples:
        >>> connected([("a", "r", "b"), ("c", "r", "b")]), connected([("a", "r", "b"), ("c", "r", "d")])
        (True, False)
    """
    left, reached = list(edges[1:]), set(edges[0][::2]) if edges else set()
    while found := [edge for edge in left if reached & {edge[0], edge[2]}]:
        reached.update(*(edge[::2] for edge in found))
        left = [edge for edge in left if edge not in found]
    return not left


def acyclic(edges: Sequence[Edge]) -> bool:
    """Whether no way along the edges leads back to where it began.

    Examples:
        >>> acyclic([("a", "r", "b"), ("a", "r", "c")]), acyclic([("a", "r", "b"), ("b", "r", "a")])
        (True, False)
    """
    return all(edge[0] not in after(edges, edge[2]) | {edge[2]} for edge in edges)


def after(edges: Sequence[Edge], concept: str) -> set[str]:
    """What can be reached from a concept along the edges.

    Examples:
        >>> sorted(after([("a", "r", "b"), ("b", "r", "c")], "a"))
        ['b', 'c']
    """
    found = {b for a, _, b in edges if a == concept}
    while more := {b for a, _, b in edges if a in found} - found:
        found |= more
    return found
