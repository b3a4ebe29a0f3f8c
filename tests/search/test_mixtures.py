"""Contexts as mixtures of every two texts, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.errors import InputError
from counterpoint.search import pairwise_mixtures

rng = np.random.default_rng(0)
FIRST, SECOND, CANDIDATE = rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 4, 5)), rng.standard_normal(5)


@pytest.mark.parametrize("last", [0, 1, 2, 9])
def test_product_with_a_candidate_is_the_sum_of_its_cosines(last):
    unit = CANDIDATE / np.linalg.norm(CANDIDATE)
    found = pairwise_mixtures(FIRST, SECOND, last=last) @ unit
    for n in range(3):
        total = 0.0
        for i in range(4):
            for j in range(4):
                if i < j and (not last or j >= 4 - last):
                    mean = (FIRST[n, i] + SECOND[n, j]) / 2
                    total += float(mean @ unit) / float(np.linalg.norm(mean))
        assert found[n] == pytest.approx(total)


def test_one_context_is_that_of_many():
    np.testing.assert_allclose(pairwise_mixtures(FIRST[1], SECOND[1]), pairwise_mixtures(FIRST, SECOND)[1])


@pytest.mark.parametrize(("first", "second"), [((4, 5), (3, 5)), ((1, 5), (1, 5)), ((5,), (5,))])
def test_what_makes_no_pairs_is_refused(first, second):
    with pytest.raises(InputError, match="make no pairs"):
        pairwise_mixtures(np.ones(first), np.ones(second))
