"""Queries by sets against sums of cosines, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.search import SetQuery

rng = np.random.default_rng(0)
A, B, C, TEXTS = (rng.standard_normal((n, 5)) * rng.uniform(0.1, 9, (n, 1)) for n in (4, 1, 7, 20))


def sim(x, examples) -> float:
    cosines = [float(x @ s) / (np.linalg.norm(x) * np.linalg.norm(s)) for s in examples]
    return sum(cosines) / len(cosines)


@pytest.mark.parametrize(
    ("make", "signs"),
    [
        (lambda a, b, c: a, (1, 0, 0)),
        (lambda a, b, c: -a, (-1, 0, 0)),
        (lambda a, b, c: a & b, (1, 1, 0)),
        (lambda a, b, c: a - c, (1, 0, -1)),
        (lambda a, b, c: a & b - c, (1, 1, -1)),
        (lambda a, b, c: a - (b - c), (1, -1, 1)),
    ],
)
def test_scores_are_sums_of_mean_cosines(make, signs):
    sets = (A, B, C)
    query = make(*map(SetQuery, sets))
    wanted = [sum(sign * sim(x, s) for sign, s in zip(signs, sets, strict=True)) for x in TEXTS]
    np.testing.assert_allclose(query.scores(TEXTS), wanted, atol=1e-12)


def test_an_operation_leaves_its_sets_as_they_were():
    a, b = SetQuery(A), SetQuery(B)
    before = a.scores(TEXTS)
    assert not np.allclose((a & b).scores(TEXTS), before)
    np.testing.assert_array_equal(a.scores(TEXTS), before)


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(3), np.array([[np.nan, 1.0]])])
def test_what_is_no_set_is_refused(bad):
    with pytest.raises(InputError, match="a set is of one finite vector or more"):
        SetQuery(bad)
