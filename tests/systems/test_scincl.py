"""SciNCL: triplets of bands of neighbours in a graph, Euclidean, with a margin of 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.retrieval import scincl
from systems.through import same
from systems.words import small_bert, steady_bert, step_of_texts

N = 60


def ring(n: int = N):
    """Texts around a ring, each linked to the next three: neighbours are those that stand near."""
    texts = [f"paper {i} about x{i}" for i in range(n)]
    return rows_of([Example(texts[i], (texts[(i + k) % n],)) for i in range(n) for k in (1, 2, 3)])


def triplets(recipe, data):
    (stage,) = recipe.stages
    (prepare,) = stage.prepare
    found = prepare(data, nn.Identity(), 0)
    places = np.array([int(text.split()[1]) for text in found.anchors.texts])
    return found, places[found.anchor], places[found.positives[:, 0]], places[found.negatives[:, 0]]


def away(a, b, n: int = N):
    """How many steps around the ring."""
    return np.minimum((a - b) % n, (b - a) % n)


def test_loss_is_that_of_a_naive_loop_over_triplets_of_bands():
    step = step_of_texts("scincl", ring(), make=steady_bert, n=6, steps=30)
    z = step.network(step.payload.inputs)
    (call,) = step.calls
    rows, brought = (call[side].columns["row"].tolist() for side in ("queries", "keys"))
    total = torch.zeros(())
    for i in range(6):
        (own,) = [k for k in range(6, 12) if brought[k] == rows[i]]
        near, far = ((z[i] - z[k]).square().sum().sqrt() for k in (6 + i, 6 + own))
        total = total + (near - far + 1.0).clamp_min(0) / 6
    assert len(z) == 18
    same(step, total, rtol=1e-3)


def test_positives_are_the_21st_to_25th_neighbour_two_negatives_a_band_off_and_three_beyond():
    found, anchor, positive, negative = triplets(get("scincl").method(), ring())
    assert len(found) == 5 * N
    near, far = away(anchor, positive), away(anchor, negative).reshape(N, 5)
    # two texts stand at each distance; random projections change places of those that are about as near
    assert near.min() >= 9
    assert near.max() <= 15
    # of 60 texts hard negatives are the 26th and 27th, and the rest is beyond
    assert far[:, :2].min() >= 11
    assert far[:, :2].max() <= 16
    assert far[:, 2:].min() >= 11
    assert far[:, 2:].mean() > 20
    for row in np.concatenate([positive.reshape(N, 5), negative.reshape(N, 5)], 1):
        assert len(set(row)) == 10, "all of a text are others"


def test_arms_change_the_band_the_hard_ones_or_take_links():
    _, anchor, positive, _ = triplets(scincl.in_small(), ring())
    assert set(away(anchor, positive)) <= {2, 3, 4, 5, 6}
    _, anchor, _, negative = triplets(scincl.easy_alone(), ring())
    assert away(anchor, negative).min() > 4
    assert away(anchor, negative).mean() > 15
    _, anchor, _, negative = triplets(scincl.without_gap(), ring())
    assert away(anchor, negative).reshape(N, 5)[:, :2].max() <= 7
    _, anchor, positive, negative = triplets(scincl.specter(), ring())
    assert set(away(anchor, positive)) == {1, 2, 3}
    assert set(away(anchor, negative).reshape(N, 5)[:, :2].flatten()) == {4, 5, 6}


def test_vectors_are_of_the_first_token_and_keep_their_length():
    step = step_of_texts("scincl", ring(), make=small_bert, n=6, steps=30)
    assert step.network[0].pooling == "cls"
    assert not step.network[0].normalize


def test_too_few_texts_are_refused():
    with pytest.raises(InputError, match="20 texts have too few neighbours for positives in places up to 25"):
        triplets(get("scincl").method(), ring(20))
