"""Verification: is this a pair of the same? Average precision, accuracy and F1, equal error rate, detection cost."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from counterpoint.errors import InputError
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Result


def pair_classification(
    scores_n: Float[np.ndarray, " n"],
    same_n: Bool[np.ndarray, " n"],
    *,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Do pairs of the same score higher than others? No threshold is given, so the best one is taken.

    Gives `average precision` (the mean of the precision at each pair that is the same, equal scores being one step;
    the main figure of MTEB's pair classification), and `accuracy` and `f1` (of the pairs that are the same), each at
    the threshold where it is highest, which a note says: such a threshold is fitted on the test itself. Intervals
    hold the thresholds fixed. Equal to the `BinaryClassificationEvaluator` of sentence-transformers 6.

    Args:
        scores_n: Similarity of each pair.
        same_n: Whether the pair is a paraphrase, a duplicate, of one person, ...
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: Without pairs of either kind, or scores that are not finite.

    Examples:
        >>> result = pair_classification(np.array([0.9, 0.2, 0.5, 0.1]), np.array([True, True, False, False]))
        >>> [round(result[name].value, 3) for name in ("average precision", "accuracy", "f1")]
        [0.833, 0.75, 0.8]
    """
    misses, alarms = _errors(scores_n, same_n)
    same = np.asarray(same_n, dtype=bool)
    levels = np.unique(scores_n)
    positives, negatives = int(same.sum()), int((~same).sum())
    # what is accepted are the pairs with at least score 0, 1, ... of the distinct ones, or none
    missed, alarmed = misses * positives, alarms * negatives
    hits = positives - missed
    best = {"accuracy": -(missed + alarmed), "f1": 2 * hits / (positives + hits + alarmed)}
    # of equally good thresholds the highest
    place = {name: len(levels) - int(good.round(9)[::-1].argmax()) for name, good in best.items()}
    accepted = {name: scores_n >= np.append(levels, np.inf)[i] for name, i in place.items()}
    between = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    measured = partial(figure, samples=samples, seed=seed)
    precision = measured("average precision", scores_n, same.astype(float), statistic="average_precision")
    figures = {
        "average precision": precision,
        "accuracy": measured("accuracy", (accepted["accuracy"] == same).astype(float)),
        "f1": measured("f1", accepted["f1"][:, None], same[:, None], statistic="micro_f1"),
    }
    note = ", ".join(f"{name} at {between[i]:.4f}" for name, i in place.items())
    return Result("pair classification", source, figures, (f"thresholds, fitted on these pairs: {note}",))


def equal_error_rate(scores_n: Float[np.ndarray, " n"], same_n: Bool[np.ndarray, " n"]) -> float:
    """Where as large a share of the same pairs is refused as of the others is accepted; in [0, 1], lower is better.

    The threshold moves over the scores; between two thresholds the line is straight. Source: as in the NIST speaker
    recognition evaluations.

    Args:
        scores_n: Higher means rather the same.
        same_n: Whether the pair is.

    Raises:
        InputError: without pairs of either kind, or for scores that are not finite.

    Examples:
        >>> equal_error_rate(np.array([0.9, 0.2, 0.5, 0.1]), np.array([True, True, False, False]))
        0.5
    """
    misses, alarms = _errors(scores_n, same_n)
    after = int(np.argmax(misses >= alarms))
    if after == 0:
        return float(alarms[0])
    gap = misses - alarms
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(misses[after - 1] + share * (misses[after] - misses[after - 1]))


def detection_cost(scores_n: Float[np.ndarray, " n"], same_n: Bool[np.ndarray, " n"], *, prior: float = 0.01) -> float:
    """The least `(prior * misses + (1 - prior) * alarms) / min(prior, 1 - prior)` over all thresholds (minDCF).

    Source: the NIST speaker recognition evaluation plans, with costs of 1; `prior` is 0.01 for VoxCeleb.

    Args:
        scores_n: Higher means rather the same.
        same_n: Whether the pair is.
        prior: Share of pairs that are the same, above 0 and below 1.

    Raises:
        InputError: as for `equal_error_rate`.

    Examples:
        >>> detection_cost(np.array([0.9, 0.2, 0.5, 0.1]), np.array([True, True, False, False]), prior=0.5)
        0.5
    """
    if not 0 < prior < 1:
        raise InputError(f"the prior is {prior}", fix="give a share above 0 and below 1")
    misses, alarms = _errors(scores_n, same_n)
    return float((prior * misses + (1 - prior) * alarms).min() / min(prior, 1 - prior))


def _errors(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of misses, rising, and of false alarms, falling, with the threshold above 0, 1, ... distinct scores."""
    same = np.asarray(same, dtype=bool)
    if not np.isfinite(scores).all() or same.all() or not same.any():
        raise InputError("verification needs finite scores of pairs that are the same and of others", fix="check them")
    levels, place = np.unique(scores, return_inverse=True)
    of_same = np.bincount(place[same], minlength=len(levels)).cumsum()
    of_others = np.bincount(place[~same], minlength=len(levels)).cumsum()
    misses = np.concatenate([[0.0], of_same / of_same[-1]])
    return misses, np.concatenate([[1.0], 1 - of_others / of_others[-1]])
