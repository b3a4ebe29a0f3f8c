"""Verification: is this a pair of the same? Equal error rate and detection cost."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from counterpoint.errors import InputError


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
