"""Transfer tasks in SentEval's protocol: a logistic regression on frozen embeddings, its penalty chosen on folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.frozen import probe

FOLDS = 10
_SEED = 1111
_FOLDED = tuple(2.0**t for t in range(-2, 4))
_TESTED = tuple(2.0**t for t in range(-1, 6))


def nested_folds(
    z_nd: Float[np.ndarray, "n d"], labels_n: Sequence[str], *, folds: int = FOLDS
) -> Bool[np.ndarray, " n"]:
    """Whether each item is labelled rightly by a probe of the other folds, its penalty chosen on folds within them.

    SentEval's protocol for MR, CR, SUBJ and MPQA (`InnerKFoldClassifier`): stratified folds, shuffled by the seed 1111;
    of C = 1/4, 1/2, ..., 8 the first of the highest accuracy, in per cent to two decimals, over as many folds of the
    rest. The accuracy is the mean over items; SentEval's is the mean over folds of nearly equal size, each rounded.
    The order of the rows decides who is in which fold: SentEval sorts them by the number of words, then by label.

    Args:
        z_nd: Embeddings.
        labels_n: Their labels.
        folds: Outer and inner folds: 10, or 5 in SimCSE's fast mode.

    Raises:
        InputError: As `probe`, or fewer rows of a label than the inner folds need.

    Examples:
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> bool(nested_folds(z, np.where(z[:, 0] > 0, "a", "b"), folds=3).mean() > 0.8)
        True
    """
    labels = _checked(labels_n, folds, nested=True)
    right = np.zeros(len(labels), dtype=bool)
    for train, test in _split(labels, folds):
        c = _chosen(z_nd[train], labels[train], _FOLDED, folds)
        right[test] = probe(z_nd[train], labels[train].tolist(), z_nd[test], c=c) == labels[test]
    return right


def with_test(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    *,
    folds: int = FOLDS,
) -> np.ndarray:
    """The labels that a probe of the training part gives the test, its penalty chosen on folds of the training part.

    SentEval's protocol for TREC and MRPC (`KFoldClassifier`): C = 1/2, 1, ..., 32, else as `nested_folds`. For MRPC
    the features of a pair are $[|u - v|; u * v]$ (`pair_features`).

    Examples:
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> with_test(z, np.where(z[:, 0] > 0, "a", "b"), np.eye(3)[:1] * 9, folds=3).tolist()
        ['a']
    """
    labels = _checked(labels_n, folds)
    return probe(train_nd, labels.tolist(), test_md, c=_chosen(train_nd, labels, _TESTED, folds))


def with_dev(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    dev_kd: Float[np.ndarray, "k d"],
    labels_k: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
) -> np.ndarray:
    """The labels that a probe of the training part gives the test, its penalty chosen on the development part.

    SentEval's protocol for SST (`SplitClassifier`): C = 1/4, 1/2, ..., 8.

    Examples:
        >>> z = np.random.default_rng(0).normal(size=(40, 3))
        >>> y = np.where(z[:, 0] > 0, "a", "b")
        >>> with_dev(z[:30], y[:30], z[30:], y[30:], np.eye(3)[:1] * 9).tolist()
        ['a']
    """
    labels, truth = _checked(labels_n, 1), _checked(labels_k, 1)
    said = {c: probe(train_nd, labels.tolist(), dev_kd, c=c) for c in _FOLDED}
    best = max(_FOLDED, key=lambda c: round(100 * float((said[c] == truth).mean()), 2))
    return probe(train_nd, labels.tolist(), test_md, c=best)


def pair_features(u_nd: Float[np.ndarray, "n d"], v_nd: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
    """What SentEval makes of a pair: the absolute difference and the product, side by side.

    Examples:
        >>> pair_features(np.array([[1.0, 2.0]]), np.array([[3.0, 2.0]])).tolist()
        [[2.0, 0.0, 3.0, 4.0]]
    """
    return np.concatenate([np.abs(u_nd - v_nd), u_nd * v_nd], axis=1)


def _chosen(z_nd: np.ndarray, labels: np.ndarray, grid: Sequence[float], folds: int) -> float:
    parts = list(_split(labels, folds))

    def accuracy(c: float) -> float:
        said = [probe(z_nd[train], labels[train].tolist(), z_nd[test], c=c) == labels[test] for train, test in parts]
        return round(100 * float(np.mean([part.mean() for part in said])), 2)

    return max(grid, key=accuracy)


def _split(labels: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(folds, shuffle=True, random_state=_SEED).split(np.zeros(len(labels)), labels))


def _checked(labels_n: Sequence[str], folds: int, *, nested: bool = False) -> np.ndarray:
    refuse_string(labels_n, "labels")
    labels = np.asarray(labels_n)
    names, counts = np.unique(labels, return_counts=True)
    # a fold takes away at most one more than its share
    fewest = int(counts.min()) if len(counts) else 0
    left = fewest - -(-fewest // folds) if nested else fewest
    if left < folds:
        raise InputError(
            f"{fewest:,} rows of the label {names[counts.argmin()] if len(names) else ''!s} for {folds} folds",
            fix="give more rows, or ask for fewer folds",
        )
    return labels
