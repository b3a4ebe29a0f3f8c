"""The paired bootstrap: intervals of a figure, and of the difference of two systems on the same items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.figures import Difference, Figure, Interval

SAMPLES = 2000
_CELLS = 1 << 22  # counts held at once: 32 MB

Counts = Float[np.ndarray, "b n"]
"""How often each item was drawn in each of b resamples; a resampled item counts as often."""


def figure(
    name: str,
    values: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    statistic: str = "mean",
    items: Sequence[str] = (),
    level: float = 0.95,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Figure:
    """A statistic of per-item values with its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13).

    Items are drawn with replacement `samples` times, and the statistic is taken anew each time. That says how
    the figure would vary with other items of the same kind; it does not cover another training run.

    Args:
        name: What to call it.
        values: One an item.
        reference: For all statistics but "mean": what is right, one an item.
        statistic: "mean", "pearson", "spearman" (average ranks for ties), "macro_f1" (over the classes that occur) or
            "micro_f1" (over all decisions together; with one class an item the accuracy), "average_precision" (of
            scores, where `reference` is 1 for what should be high and 0 for the rest) or "effect_size" (the mean where
            `reference` is 1 less that where it is 0, over the standard deviation). A correlation with a constant, and
            the effect on one, is 0: it tells nothing. For F1 the items may be sets: rows `(n, c)` of 0 and 1.
        items: The items' names, so that `compare` can check that two systems saw the same ones.
        level: How much of the resamples the interval covers, above 0 and below 1.
        samples: How many resamples; 0 takes no interval, nor does a single item.
        seed: The same seed gives the same interval.

    Raises:
        InputError: No items, values that are not finite, an unknown statistic, or another argument out of range.

    Examples:
        >>> print(figure("hit@1", np.repeat([1.0, 0.0], [70, 30])))
        hit@1 0.7000 [0.6100, 0.7900] (n = 100)
        >>> print(figure("spearman", np.arange(9.0), np.arange(9.0) ** 3, statistic="spearman", samples=0))
        spearman 1.0000 (n = 9)
    """
    refuse_string(items, "items")
    reference = np.empty(0) if reference is None else reference
    bare = Figure(name, 0.0, values, reference, tuple(items), statistic)
    value = float(_function(bare)(np.ones((1, bare.n)))[0])
    if samples == 0 or bare.n < 2:
        return replace(bare, value=value)
    (drawn,) = _resampled([bare], samples, seed)
    return replace(bare, value=value, interval=_percentiles(drawn, level))


def compare(a: Figure, b: Figure, *, level: float = 0.95, samples: int = SAMPLES, seed: int = 0) -> Difference:
    """How much higher `b` is than `a`, by drawing the same items for both (the paired bootstrap).

    `p` is twice the share of resamples on the other side of 0, the observed figures counted as one more, so it
    is never 0 (Davison and Hinkley 1997, section 4.4).

    Args:
        a: A figure of one system.
        b: The same figure of another, on the same items in the same order.
        level: Of the interval.
        samples: How many resamples.
        seed: The same seed gives the same interval.

    Raises:
        InputError: The two are not of the same figure and items.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> hits = rng.random(500)
        >>> a, b = Figure("mrr", hits.mean(), hits), Figure("mrr", (hits + 0.01).mean(), hits + 0.01)
        >>> print(compare(a, b))
        mrr +0.0100 [0.0100, 0.0100] (clear, n = 500)
    """
    same = a.statistic == b.statistic and a.n == b.n and a.items == b.items and np.array_equal(a.reference, b.reference)
    if not same:
        raise InputError(f"{a} and {b} are not of the same items", fix="measure both systems on the same data")
    first, second = _resampled([a, b], samples, seed)
    difference = second - first
    other_side = min((difference <= 0).sum(), (difference >= 0).sum())
    return Difference(
        name=b.name,
        value=b.value - a.value,
        interval=_percentiles(difference, level),
        p=float(min(1.0, 2 * (1 + other_side) / (1 + samples))),
        n=b.n,
    )


def randomisation(a: Figure, b: Figure, *, samples: int = SAMPLES, seed: int = 0) -> float:
    """The two-sided p-value of no difference between two means over the same items, by a paired randomisation test.

    Were the systems alike, either value of an item could be the one's or the other's: it is how often exchanging them
    at random makes the means differ at least as much as they do. With few items every exchange is counted. Source:
    Smucker, Allan and Carterette 2007, "A Comparison of Statistical Significance Tests for Information Retrieval
    Evaluation"; the computation is SciPy's.

    Args:
        a: A mean of one system.
        b: The same of another, on the same items in the same order.
        samples: How many exchanges are drawn.
        seed: Of the draws.

    Raises:
        InputError: The two are not of the same items, or no means.

    Examples:
        >>> a, b = Figure("hit@1", 0.0, np.zeros(6)), Figure("hit@1", 1.0, np.ones(6))
        >>> randomisation(a, b) == 2 / 2**6
        True
    """
    from scipy.stats import permutation_test

    if a.statistic != "mean" or b.statistic != "mean" or a.n != b.n or a.items != b.items or a.n < 2:
        raise InputError(f"{a} and {b} are not means over the same items", fix="measure both on the same data")
    difference = b.values - a.values
    exchanged = permutation_test(
        (difference,),
        lambda d, axis: d.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=samples,
        batch=max(1, _CELLS // a.n),
        rng=np.random.default_rng(seed),
    )
    return float(exchanged.pvalue)


def _resampled(figures: list[Figure], samples: int, seed: int) -> list[np.ndarray]:
    n = figures[0].n
    if n < 2 or samples < 1:
        raise InputError(
            f"no interval from {n} items and {samples} resamples",
            fix="it takes 2 items and 1 resample",
        )
    functions = [_function(figure) for figure in figures]
    parts = [[f(counts) for f in functions] for counts in _draws(n, samples, seed)]
    return [np.concatenate(drawn) for drawn in zip(*parts, strict=True)]


def _draws(n: int, samples: int, seed: int) -> Iterator[Counts]:
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // n)
    for start in range(0, samples, step):
        b = min(step, samples - start)
        drawn = rng.integers(n, size=(b, n)) + n * np.arange(b)[:, None]
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def _percentiles(drawn: np.ndarray, level: float) -> Interval:
    if not 0 < level < 1:
        raise InputError(f"level is {level}", fix="it must be above 0 and below 1; 0.95 is common")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


# Every statistic prepares what does not change between resamples, and gives a function of the counts.


def _mean(values: np.ndarray, _reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    return lambda counts: counts @ values / counts.sum(1)


def _pearson(values: np.ndarray, reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    # centred first, so that large values with little spread do not cancel
    x, y = values - values.mean(), reference - reference.mean()
    return lambda counts: _correlation(counts, x[None], y[None])


def _spearman(values: np.ndarray, reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    x, y = _levels(values), _levels(reference)
    return lambda counts: _correlation(counts, _ranks(counts, *x), _ranks(counts, *y))


def _levels(values: np.ndarray) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """The order of the items, and which of the distinct values each has."""
    _, level = np.unique(values, return_inverse=True)
    return np.argsort(level, kind="stable"), level


def _ranks(counts: Counts, order: np.ndarray, level: np.ndarray) -> Float[np.ndarray, "b n"]:
    """Average ranks in each resample, without sorting it: they follow from how often each value was drawn."""
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    drawn = np.add.reduceat(counts[:, order], starts, axis=1)
    average = drawn.cumsum(1) - (drawn - 1) / 2
    return np.asarray((average - counts.sum(1, keepdims=True) / 2)[:, level])


def _correlation(counts: Counts, x: Float[np.ndarray, "#b n"], y: Float[np.ndarray, "#b n"]) -> Float[np.ndarray, " b"]:
    """Weighted Pearson correlation; 0 where one side is constant, which tells nothing."""
    n = counts.sum(1)
    wx, wy = counts * x, counts * y
    mean_x, mean_y = wx.sum(1) / n, wy.sum(1) / n
    xy = (wx * y).sum(1) / n - mean_x * mean_y
    xx = (wx * x).sum(1) / n - mean_x**2
    yy = (wy * y).sum(1) / n - mean_y**2
    # what is left of a constant is rounding
    constant = (xx <= 1e-14 * (x**2).max()) | (yy <= 1e-14 * (y**2).max())
    scale = np.sqrt(np.where(constant, 1.0, xx * yy))
    return np.where(constant, 0.0, (xy / scale).clip(-1, 1))


def _macro_f1(values: np.ndarray, reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    said, true = _indicators(values, reference)

    def f1(counts: Counts) -> np.ndarray:
        both = counts @ said + counts @ true
        score = 2 * (counts @ (said * true)) / np.where(both > 0, both, 1.0)
        # over the classes that were drawn
        return np.asarray(score.sum(1) / (both > 0).sum(1).clip(1))

    return f1


def _micro_f1(values: np.ndarray, reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    said, true = _indicators(values, reference)
    hits, both = (said * true).sum(1), (said + true).sum(1)

    def f1(counts: Counts) -> np.ndarray:
        total = counts @ both
        return np.asarray(2 * (counts @ hits) / np.where(total > 0, total, 1.0))

    return f1


def _average_precision(values: np.ndarray, reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    order = np.argsort(-values, kind="stable")
    right = reference[order].astype(np.float64)
    # equal scores are one step
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))

    def precision(counts: Counts) -> np.ndarray:
        drawn = counts[:, order]
        seen, hits = (part.cumsum(1)[:, ends] for part in (drawn, drawn * right))
        gained = np.diff(hits, axis=1, prepend=0.0)
        return np.asarray((gained * hits / np.where(seen > 0, seen, 1.0)).sum(1) / hits[:, -1].clip(1))

    return precision


def _effect_size(values: np.ndarray, reference: np.ndarray) -> Callable[[Counts], np.ndarray]:
    s, first = values - values.mean(), reference.astype(np.float64)

    def effect(counts: Counts) -> np.ndarray:
        n, ones = counts.sum(1), counts @ first
        gap = counts @ (s * first) / ones.clip(1) - counts @ (s * (1 - first)) / (n - ones).clip(1)
        variance = (counts @ s**2 - (counts @ s) ** 2 / n) / (n - 1)
        constant = variance <= 1e-14 * (s**2).max()
        return np.where(constant, 0.0, gap / np.sqrt(np.where(constant, 1.0, variance)))

    return effect


def _indicators(values: np.ndarray, reference: np.ndarray) -> tuple[Float[np.ndarray, "n c"], Float[np.ndarray, "n c"]]:
    """1 where an item has a class: of one class an item, or of a set that is given as such a row."""
    if values.ndim == 2:
        return values.astype(np.float64), reference.astype(np.float64)
    classes = np.unique(np.concatenate((values, reference)))
    return (values[:, None] == classes).astype(np.float64), (reference[:, None] == classes).astype(np.float64)


_STATISTICS = {
    "mean": _mean,
    "pearson": _pearson,
    "spearman": _spearman,
    "macro_f1": _macro_f1,
    "micro_f1": _micro_f1,
    "average_precision": _average_precision,
    "effect_size": _effect_size,
}


def _function(figure: Figure) -> Callable[[Counts], np.ndarray]:
    if figure.statistic not in _STATISTICS:
        raise InputError(f"unknown statistic {figure.statistic!r}", fix=f"choose one of {', '.join(_STATISTICS)}")
    paired = figure.statistic != "mean"
    if figure.n == 0 or len(figure.reference) != figure.n * paired:
        raise InputError(
            f"no {figure.statistic} of {figure.n} values and {len(figure.reference)} references",
            fix="give one reference for each value, and none for a mean",
        )
    for part in (figure.values, figure.reference):
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            raise InputError(f"{figure.name} has items that are NaN or infinite", fix="look at what gave them")
    return _STATISTICS[figure.statistic](figure.values, figure.reference)
