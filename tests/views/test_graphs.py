"""Graphs as texts: what says the same as one, and five ways to be wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.graph_texts import acyclic, connected, edges_of
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate_graphs, well_formed
from counterpoint.testbeds.graphs import neighbours, pairs_of
from counterpoint.views import graph_edits


def test_each_wrong_graph_is_wrong_in_its_way_and_no_other():
    data = graph_edits()(pairs_of(neighbours(), 30, 0), nn.Identity(), 0)
    texts, seen = data.others.texts, [0] * 5
    for right, wrong in zip(data.positives.tolist(), data.negatives.tolist(), strict=True):
        graph, alike = (edges_of(texts[i]) for i in right)
        assert sorted(graph) == sorted(alike)
        assert connected(graph) and acyclic(graph)  # noqa: PT018
        for kind, i in enumerate(wrong):
            if i < 0:
                continue
            seen[kind] += 1
            other = edges_of(texts[i])
            assert connected(other) == (kind not in (1, 2))
            assert acyclic(other) == (kind not in (0, 2))
            assert len(other) - len(graph) == (1, -1, 0, -1, 0)[kind]
            if kind == 4:
                assert [edge[::2] for edge in other] == [edge[::2] for edge in graph]
                assert other != graph
            elif kind in (1, 3):
                assert set(other) < set(graph)
    assert seen[0] == seen[3] == seen[4] == 30
    assert 0 < seen[1] == seen[2] < 30  # of some graphs every edge has an end of its own


def test_draws_follow_the_seed():
    pairs = pairs_of(neighbours(), 5, 0)
    first, again, other = (graph_edits()(pairs, nn.Identity(), seed).others.texts for seed in (0, 0, 1))
    assert first == again != other


def test_what_has_no_wrong_version_says_so():
    data = graph_edits()(rows_of([Example("a", ("(a; is; b)",))]), nn.Identity(), 0)
    assert (data.negatives[0] >= 0).tolist() == [True, False, False, False, False]


def test_other_data_are_refused():
    with pytest.raises(InputError, match="pairs of a text and a graph"):
        graph_edits()(Data.alone(Items("text", ["a"])), nn.Identity(), 0)
    for text in ("", "a; is; b", "(a; is)", "(a; is; b) and so on", "(a;  ; b)"):
        with pytest.raises(InputError, match="is no graph"):
            edges_of(text)


def test_well_formed_graphs_keep_every_rule():
    good = "(a; is; b)(b; is; c)(a; is; d)"
    assert well_formed(good, ["a", "d"])
    for text in (good[:-11], "(a; is; b)(b; is; c)(e; is; d)", good + "(c; is; a)", "(a; is; b)" * 3, "no graph"):
        assert not well_formed(text)
    assert not well_formed(good, ["e"])
    facts = {("a", "is", "b"), ("b", "is", "c")}
    result = evaluate_graphs([good, "(a; is; b)(b; is; c)"], [[], []], facts, least=2)
    assert [figure.values.tolist() for figure in result.figures.values()] == [[1.0, 1.0], [0.0, 1.0]]
    with pytest.raises(InputError, match="as many"):
        evaluate_graphs([good], [])


def test_graphs_of_a_testbed_have_the_concepts_that_are_asked_for():
    data = pairs_of(neighbours(), 20, 1)
    asked, graphs = list(data.anchors.texts), list(data.others.texts)
    assert len(set(asked)) == 20
    assert set(neighbours()) >= {edge for graph in graphs for edge in edges_of(graph)}
    assert all(well_formed(graph, text.split("; ")) for text, graph in zip(asked, graphs, strict=True))
    assert {len(edges_of(graph)) for graph in graphs} == {3, 4}
    torch.testing.assert_close(data.positives[:, 0], torch.arange(20))
