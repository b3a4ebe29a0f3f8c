"""Scored pairs by hand, and by the encoder's own similarity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.tasks import Similar

SCORES = [4.2, 0.1, 3.3, 2.0]
ROWS = rows_of([Example(f"{i}", (f"{i + 4}",), score=score) for i, score in enumerate(SCORES)])
Z = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


class Table:
    def __init__(self, similarity=None):
        if similarity:
            self.similarity = similarity

    def encode_items(self, items, *, kind=None):
        return Z[[int(text) for text in items.texts]]


@pytest.mark.parametrize("similarity", [None, "cosine", "dot", "euclidean", "manhattan"])
def test_correlations_are_those_of_scipy(similarity):
    a, b = Z[:4].astype(float), Z[4:].astype(float)
    alike = {
        "dot": (a * b).sum(1),
        "euclidean": -np.sqrt(((a - b) ** 2).sum(1)),
        "manhattan": -np.abs(a - b).sum(1),
    }.get(similarity, (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
    task, encoder = Similar(ROWS, ROWS), Table(similarity)
    measured = task.measure("x", encoder)
    assert measured.figures.keys() == {"spearman", "pearson"}
    assert measured.figures["spearman"].value == pytest.approx(stats.spearmanr(alike, SCORES)[0])
    # the scores are those that were read, not float32 of them
    assert measured.figures["pearson"].value == pytest.approx(stats.pearsonr(alike, SCORES)[0], abs=1e-7)
    assert measured.figures["pearson"].reference.tolist() == SCORES
    assert task.validate(encoder) == measured.figures["spearman"].value
    scores = task.scores(measured)
    assert (sum(scores.positive), sum(scores.negative)) == (2, 2)
    if similarity in ("euclidean", "manhattan"):
        assert scores.similarity == similarity
        assert (scores.edges[0], scores.edges[-1]) == pytest.approx((alike.min(), alike.max()))
    assert task.picture(measured, measured).texts == ("0", "1", "2", "3", "4", "5", "6", "7")
