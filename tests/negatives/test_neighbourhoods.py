"""Triplets from graphs: who is near by walks, in which bands, and what the links alone say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.negatives.neighbourhoods import graph_of, linked_triplets, neighbourhoods, walk_vectors


def pairs(edges):
    return rows_of([Example(f"t{a}", (f"t{b}",)) for a, b in edges])


def random_graph(n, seed):
    """A ring, so that nobody is alone, and as many links more."""
    generator = np.random.default_rng(seed)
    return [(i, (i + 1) % n) for i in range(n)] + [tuple(x) for x in generator.integers(n, size=(n, 2)).tolist()]


def test_vectors_are_those_of_walks():
    edges = np.array(random_graph(12, 0))
    # with so many dimensions a random projection changes little
    z = walk_vectors(edges, 12, dim=40_000, steps=3)
    links = np.zeros((12, 12))
    for a, b in edges:
        links[a, b] = links[b, a] = 1.0
    step = links / links.sum(1, keepdims=True)
    exact = sum(p / np.linalg.norm(p, axis=1, keepdims=True) for p in (step, step @ step, step @ step @ step))
    cosines = [x @ x.T / np.linalg.norm(x, axis=1) / np.linalg.norm(x, axis=1)[:, None] for x in (z, exact)]
    np.testing.assert_allclose(*cosines, atol=0.03)
    assert np.array_equal(walk_vectors(edges, 12, seed=1), walk_vectors(edges, 12, seed=1))
    assert not np.array_equal(walk_vectors(edges, 12, seed=1), walk_vectors(edges, 12, seed=2))
    assert not walk_vectors(edges, 13)[12].any()


@settings(max_examples=15, deadline=None)
@given(st.integers(40, 60), st.integers(0, 20), st.integers(0, 3))
def test_bands_are_those_of_the_order_of_cosines(n, seed, hard):
    data = pairs(random_graph(n, seed))
    found = neighbourhoods((3, 5), 12, hard=hard, dim=32)(data, nn.Identity(), seed)
    texts, edges = graph_of(data)
    z = walk_vectors(edges, n, dim=32, seed=seed)
    z = torch.nn.functional.normalize(torch.from_numpy(z).double(), dim=1)
    assert found.anchors.texts == texts.texts
    assert found.anchor.tolist() == [i for i in range(n) for _ in range(3)]
    for i in range(n):
        order = sorted((j for j in range(n) if j != i), key=lambda j: -float(z[i] @ z[j]))
        rows = slice(3 * i, 3 * i + 3)
        wrong = found.negatives[rows, 0].tolist()
        depth = min(12, max(n // 10, 5 + max(hard, 1)))
        assert cosines(z, i, found.positives[rows, 0].tolist()) == pytest.approx(cosines(z, i, order[2:5]), abs=1e-5)
        assert cosines(z, i, wrong[:hard]) == pytest.approx(cosines(z, i, order[depth - hard : depth]), abs=1e-5)
        farthest = float(z[i] @ z[order[depth - 1]])
        assert all(float(z[i] @ z[j]) <= farthest + 1e-5 and j != i for j in wrong[hard:])
        assert len(set(wrong)) == 3


def cosines(z, i, of):
    return [float(z[i] @ z[j]) for j in of]


def test_far_is_a_tenth_of_few_texts():
    data = pairs([(i, (i + 1) % 400) for i in range(400)])
    found = neighbourhoods((1, 2), 4000, hard=2)(data, nn.Identity(), 0)
    z = torch.nn.functional.normalize(torch.from_numpy(walk_vectors(graph_of(data)[1], 400)), dim=1)
    rank = (z @ z[0]).argsort(descending=True).tolist().index(int(found.negatives[1, 0]))
    assert rank == 40


@settings(max_examples=15, deadline=None)
@given(st.integers(20, 40), st.integers(0, 20), st.integers(0, 4))
def test_links_give_positives_and_their_links_hard_negatives(n, seed, hard):
    edges = {frozenset(edge) for edge in random_graph(n, seed) if edge[0] != edge[1]}
    found = linked_triplets(4, hard=hard)(pairs([sorted(edge) for edge in edges]), nn.Identity(), seed)
    number = [int(text[1:]) for text in found.anchors.texts]
    linked = {i: {j for edge in edges if i in edge for j in edge if j != i} for i in range(n)}
    for row in range(0, len(found), 4):
        i = number[found.anchor[row]]
        right = [number[j] for j in found.positives[row : row + 4, 0]]
        wrong = [number[j] for j in found.negatives[row : row + 4, 0]]
        beyond = {k for j in linked[i] for k in linked[j]} - linked[i] - {i}
        assert set(right) <= linked[i]
        assert len(set(right)) == min(4, len(linked[i]))
        assert set(wrong[: min(hard, len(beyond))]) <= beyond
        assert not set(wrong) & (linked[i] | {i})
        assert len(set(wrong)) == 4


def test_equal_texts_are_one_and_a_link_to_itself_is_none():
    texts = Items("text", ["a", "b", "a", "alone"])
    data = Data(texts, torch.tensor([0, 2, 2]), Items("text", ["c", "a", "unused"]), torch.tensor([[0], [1], [0]]))
    found, edges = graph_of(data)
    assert (found.texts, edges.tolist()) == (["a", "c"], [[0, 1], [0, 1]])


@pytest.mark.parametrize("step", [neighbourhoods((1, 2), hard=1), linked_triplets()])
def test_what_is_no_graph_is_refused(step):
    with pytest.raises(InputError, match="links are pairs, and these are items"):
        step(Data.alone(Items("text", ["a"])), nn.Identity(), 0)
    with pytest.raises(InputError, match="no pair links two texts"):
        step(rows_of([Example("a", ("a",))]), nn.Identity(), 0)
    with pytest.raises(InputError, match=r"2 texts have too few|a text has 0 others"):
        step(rows_of([Example("a", ("b",))]), nn.Identity(), 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: neighbourhoods((0, 2)),
        lambda: neighbourhoods((3, 2)),
        lambda: neighbourhoods((1, 5), 5),
        lambda: neighbourhoods((1, 2), hard=3),
        lambda: linked_triplets(2, hard=3),
        lambda: linked_triplets(0, hard=0),
        lambda: walk_vectors(np.array([[0, 1]]), 2, steps=0),
    ],
)
def test_impossible_numbers_are_refused(make):
    with pytest.raises(InputError, match=r"hard negatives|walks of"):
        make()
