"""Graphs that were written as texts: are they graphs of the wanted shape, and true?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from counterpoint.data.graph_texts import Edge, acyclic, connected, edges_of
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import figure
from counterpoint.evaluate.figures import Result

LEAST = 3
"""Edges of an explanation graph: none that was published has fewer."""


def well_formed(text: str, concepts: Collection[str] = (), least: int = LEAST) -> bool:
    """Whether a text is a connected graph without a cycle, of so many edges or more, with these concepts in it.

    Source: Saha et al. 2021, "ExplaGraphs", the constraints of an explanation graph, as Saha, Yadav and Bansal 2022
    tell them; they want two concepts of each of two texts.

    Args:
        text: Such as `(a; is; b)(b; is; c)`.
        concepts: What must be in it.
        least: Edges that differ.

    Examples:
        >>> well_formed("(a; is; b)(b; is; c)(c; is; d)", ["d"]), well_formed("(a; is; b)(b; is; a)(c; is; d)")
        (True, False)
    """
    refuse_string(concepts, "concepts")
    try:
        edges = edges_of(text)
    except InputError:
        return False
    there = {concept for a, _, b in edges for concept in (a, b)}
    return len(set(edges)) >= least and set(concepts) <= there and connected(edges) and acyclic(edges)


def evaluate_graphs(
    texts: Sequence[str],
    concepts: Sequence[Collection[str]],
    facts: Collection[Edge] = frozenset(),
    least: int = LEAST,
) -> Result:
    """The share of texts that are well-formed graphs, and of those that are and of which every edge is a fact.

    The first is the papers' structural accuracy. In place of their semantic one, which a trained model judges, stands
    whether the facts are known.

    Args:
        texts: What was written.
        concepts: For each what must be in it.
        facts: All that are true.
        least: Edges.

    Raises:
        InputError: Not as many lists of concepts as texts, or no texts.

    Examples:
        >>> print(evaluate_graphs(["(a; is; b)", "(a; is; c)"], [["a"], ["b"]], {("a", "is", "b")}, least=1)["true"])
        true 0.5000 [0.0000, 1.0000] (n = 2)
    """
    refuse_string(texts, "texts")
    refuse_string(concepts, "concepts")
    if not texts or len(texts) != len(concepts):
        raise InputError(f"{len(texts)} texts and concepts of {len(concepts)}", fix="give as many, one or more")
    formed = [well_formed(text, wanted, least) for text, wanted in zip(texts, concepts, strict=True)]
    true = [good and set(edges_of(text)) <= set(facts) for good, text in zip(formed, texts, strict=True)]
    shares = {"well-formed": formed, "true": true}
    return Result("graphs", "", {name: figure(name, np.array(share, float)) for name, share in shares.items()})
