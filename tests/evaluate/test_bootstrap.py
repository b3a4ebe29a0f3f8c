"""Intervals: the statistics against scipy and scikit-learn, resample by resample, and their coverage."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score

from counterpoint.errors import InputError
from counterpoint.evaluate import Figure, Result, compare, figure
from counterpoint.evaluate.bootstrap import _draws, _resampled


def constant(x):
    return len(set(x)) == 1


def oracle(kind, values, reference):
    if kind == "mean":
        return np.mean(values)
    if kind == "macro_f1":
        return f1_score(reference, values, average="macro", zero_division=0)
    if kind == "average_precision":
        return average_precision_score(reference, values) if reference.any() else 0.0
    if constant(values) or constant(reference):
        return 0.0  # scipy gives NaN
    return (stats.spearmanr if kind == "spearman" else stats.pearsonr)(values, reference)[0]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["mean", "pearson", "spearman", "macro_f1", "average_precision"]),
    pairs=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=12),
    shift=st.sampled_from([0, 1000]),
)
def test_every_resample_equals_the_oracle(kind, pairs, shift):
    values, reference = (np.array(column, dtype=float) + shift for column in zip(*pairs, strict=True))
    if kind == "average_precision":
        reference = (reference > shift).astype(float)
    bare = Figure("f", 0.0, values, np.empty(0) if kind == "mean" else reference, statistic=kind)
    (drawn,) = _resampled([bare], 20, seed=3)
    counts = np.concatenate(list(_draws(len(values), 20, seed=3))).astype(int)
    assert (counts.sum(1) == len(values)).all()
    for count, got in zip(counts, drawn, strict=True):
        expected = oracle(kind, np.repeat(values, count), np.repeat(reference, count))
        assert got == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_correlations_on_many_numbers(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    y = np.round(x + rng.normal(size=1000), 1)  # with ties
    assert figure(kind, x, y, statistic=kind, samples=0).value == pytest.approx(oracle(kind, x, y), abs=1e-12)
    assert figure(kind, 1e-6 * x + 1, y, statistic=kind, samples=0).value == pytest.approx(oracle(kind, x, y), abs=1e-6)


def test_labels_may_be_words():
    said, true = np.array(["cat", "dog", "cat", "eel"]), np.array(["cat", "dog", "dog", "dog"])
    got = figure("f1", said, true, statistic="macro_f1", samples=0).value
    assert got == pytest.approx(f1_score(true, said, average="macro", zero_division=0))


@pytest.mark.parametrize("kind", ["mean", "spearman"])
def test_a_95_percent_interval_covers_the_truth_95_times_in_100(kind):
    rng = np.random.default_rng(7)
    rho, trials = 0.6, 400
    truth = 0.0 if kind == "mean" else 6 / math.pi * math.asin(rho / 2)  # Spearman's of two normals
    covered = 0
    for trial in range(trials):
        x, noise = rng.normal(size=(2, 80))
        y = rho * x + math.sqrt(1 - rho**2) * noise
        reference = None if kind == "mean" else y
        found = figure("f", x, reference, statistic=kind, samples=500, seed=trial).interval
        covered += found.low <= truth <= found.high
    # four standard errors of the count about 95%, and the known slight shortfall of percentile intervals
    assert 0.90 < covered / trials < 0.99


def test_a_difference_of_nothing_is_rarely_clear_and_a_real_one_mostly():
    rng = np.random.default_rng(11)
    clear = {0.0: 0, 0.3: 0}
    for trial in range(200):
        hard, a, b = rng.normal(size=(3, 100))
        for shift in clear:
            found = compare(
                figure("f", hard + 0.5 * a, samples=0),
                figure("f", hard + 0.5 * b + shift, samples=0),
                samples=400,
                seed=trial,
            )
            clear[shift] += found.clear
            assert found.clear == (found.p < 0.05) or 0.02 < found.p < 0.08  # the two agree but at the border
    assert clear[0.0] / 200 < 0.12
    assert clear[0.3] / 200 > 0.9  # unpaired, 0.3 is 1.9 standard errors and would be missed half the time


def test_compare_takes_the_difference_of_any_statistic():
    rng = np.random.default_rng(0)
    gold = rng.normal(size=300)
    good, bad = (figure("spearman", gold + s * rng.normal(size=300), gold, statistic="spearman") for s in (0.5, 3.0))
    found = compare(bad, good)
    assert found.value == pytest.approx(good.value - bad.value)
    assert found.clear
    assert found.interval.low < found.value < found.interval.high
    assert found.p == pytest.approx(2 / 2001)
    assert compare(good, good).value == 0
    assert (compare(good, good).p, compare(good, good).clear) == (1.0, False)


def test_same_seed_same_interval_and_blocks_do_not_matter(monkeypatch):
    values = np.random.default_rng(0).random(50)
    first = figure("f", values, seed=1).interval
    assert figure("f", values, seed=1).interval == first
    assert figure("f", values, seed=2).interval != first
    monkeypatch.setattr("counterpoint.evaluate.bootstrap._CELLS", 1000)
    assert figure("f", values, seed=1).interval == first


def test_level_and_single_item():
    values = np.random.default_rng(0).random(50)
    narrow, wide = figure("f", values, level=0.5).interval, figure("f", values, level=0.99).interval
    assert wide.low < narrow.low < narrow.high < wide.high
    assert figure("f", np.array([0.5])).interval is None


def test_json_round_trip():
    said, true = np.array(["a", "b", "a"]), np.array(["a", "b", "b"])
    result = Result(
        "classification",
        "a file",
        {
            "f1": figure("f1", said, true, statistic="macro_f1"),
            "hit": figure("hit", np.array([1.0, 0.0, 1.0]), items=["q", "r", "s"], samples=0),
        },
        ("a note",),
    )
    again = Result.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert again.to_json() == result.to_json()
    assert compare(result["f1"], again["f1"]).value == 0
    assert "values" not in result.to_json(items=False)["figures"][0]
    difference = compare(result["hit"], again["hit"]).to_json()
    assert json.loads(json.dumps(difference)) == difference
    with pytest.raises(InputError, match="not a figure with its items"):
        Result.from_json(result.to_json(items=False))
    with pytest.raises(InputError, match="not a result"):
        Result.from_json({})


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.array([]), {}, "no mean of 0 values"),
        (np.array([1.0, np.nan]), {}, "f has items that are NaN"),
        (np.array([1.0, 2.0]), {"statistic": "mode"}, "unknown statistic 'mode'"),
        (np.array([1.0, 2.0]), {"statistic": "pearson"}, "no pearson of 2 values and 0 references"),
        (np.array([1.0, 2.0]), {"level": 1.0}, "level is 1.0"),
        (np.array([1.0, 2.0]), {"samples": -1}, "-1 resamples"),
    ],
)
def test_refuses(values, options, message):
    with pytest.raises(InputError, match=message):
        figure("f", values, **options)


def test_compare_refuses_other_items():
    a = figure("f", np.array([1.0, 2.0]), items=["q", "r"], samples=0)
    for other in (
        figure("f", np.array([1.0, 2.0, 3.0]), samples=0),
        figure("f", np.array([1.0, 2.0]), items=["r", "q"], samples=0),
        figure("f", np.array([1.0, 2.0]), np.array([1.0, 2.0]), items=["q", "r"], statistic="pearson", samples=0),
    ):
        with pytest.raises(InputError, match="not of the same items"):
            compare(a, other)
