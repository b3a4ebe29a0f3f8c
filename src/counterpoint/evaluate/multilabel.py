"""Frozen embeddings of texts with several labels: nearest neighbours and a probe for each label."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float, Int8

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Figure, Result
from counterpoint.evaluate.frozen import neighbour_votes


def indicators(labels_n: Sequence[Collection[str]], names: Sequence[str]) -> Int8[np.ndarray, "n l"]:
    """1 where an item has a label, one column a name; labels without a name are not seen.

    Examples:
        >>> indicators([("a", "b"), (), ("b",)], ["a", "b"]).tolist()
        [[1, 1], [0, 0], [0, 1]]
    """
    refuse_string(labels_n, "labels")
    refuse_string(names, "names")
    place = {name: i for i, name in enumerate(names)}
    y_nl: Int8[np.ndarray, "n l"] = np.zeros((len(labels_n), len(place)), dtype=np.int8)
    for row, labels in enumerate(labels_n):
        y_nl[row, [place[label] for label in labels if label in place]] = 1
    return y_nl


def knn_sets(
    train_nd: Float[np.ndarray, "n d"], y_nl: Int8[np.ndarray, "n l"], test_md: Float[np.ndarray, "m d"], *, k: int = 10
) -> Int8[np.ndarray, "m l"]:
    """Each label that at least half of the k nearest training rows (cosine) have: binary relevance kNN.

    Rows that are as near as the k-th share the votes that are left (`neighbour_votes`).

    Source: Spyromitros et al. 2008, "An Empirical Study of Lazy Multilabel Classification Algorithms" (BRkNN).

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> knn_sets(train, np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1.0, 0.1]]), k=2).tolist()
        [[1, 1]]
    """
    half = min(k, len(train_nd)) / 2
    # shares of votes add up to less than they are, in the last digits
    said = [votes_bn @ y_nl >= half - 1e-9 for votes_bn, _ in neighbour_votes(train_nd, test_md, k)]
    return np.concatenate([np.empty((0, y_nl.shape[1]), dtype=bool), *said]).astype(np.int8)


def probe_sets(
    train_nd: Float[np.ndarray, "n d"],
    y_nl: Int8[np.ndarray, "n l"],
    test_md: Float[np.ndarray, "m d"],
    *,
    c: float = 1.0,
) -> Int8[np.ndarray, "m l"]:
    """One logistic regression for each label against the rest (L2 penalty, L-BFGS, scikit-learn).

    A label that all training rows or none have is predicted as it was seen.

    Args:
        train_nd: Embeddings to fit.
        y_nl: 1 where one has a label.
        test_md: Embeddings to label.
        c: Inverse strength of the penalty.

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
        >>> y = np.array([[1, 1], [1, 1], [0, 1], [0, 1]])
        >>> probe_sets(train, y, np.array([[1.0, 0.1], [0.1, 1.0]])).tolist()
        [[1, 1], [0, 1]]
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    said_ml: Int8[np.ndarray, "m l"] = np.repeat(y_nl[:1], len(test_md), axis=0).astype(np.int8)
    for label in np.flatnonzero(y_nl.min(0) != y_nl.max(0)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=c, max_iter=5000).fit(train_nd, y_nl[:, label])
        said_ml[:, label] = model.predict(test_md)
    return said_ml


def multilabel_classification(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[Collection[str]],
    test_md: Float[np.ndarray, "m d"],
    labels_m: Sequence[Collection[str]],
    *,
    k: int = 10,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Micro and macro F1 of the labels that the nearest neighbours and a probe for each label give.

    Gives `knn_micro_f1`, `knn_macro_f1`, `probe_micro_f1`, `probe_macro_f1`. Micro F1 counts all decisions together,
    `2 TP / (2 TP + FP + FN)`; macro F1 is the mean over labels, so that rare ones count as much.

    Where the labels come from several columns (all are `COLUMN=LABEL`), there is `COLUMN: knn_micro_f1` for each, too.

    Args:
        train_nd: Embeddings with known labels.
        labels_n: Their labels, any number each.
        test_md: Embeddings to label.
        labels_m: The right labels. One that no training row has cannot be found, and counts as missed.
        k: How many neighbours vote.
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: Other numbers of labels and rows, embeddings that are not finite, or no labels.

    Examples:
        >>> z, labels = np.eye(3), [("a",), ("a", "b"), ()]
        >>> result = multilabel_classification(z, labels, z, labels, k=1)
        >>> result["knn_micro_f1"].value, sorted(result)
        (1.0, ['knn_macro_f1', 'knn_micro_f1', 'probe_macro_f1', 'probe_micro_f1'])
    """
    for z, labels in ((train_nd, labels_n), (test_md, labels_m)):
        refuse_string(labels, "labels")
        if len(z) != len(labels) or not len(z) or not np.isfinite(z).all():
            raise InputError(
                f"embeddings of shape {z.shape} and {len(labels)} sets of labels do not fit, or are not finite",
                fix="give finite embeddings and a set of labels for each of one or more rows",
            )
    names = sorted({label for labels in (*labels_n, *labels_m) for label in labels})
    if not names:
        raise InputError("no row has a label", file=source or None, fix="give labels")
    y_nl, y_ml = indicators(labels_n, names), indicators(labels_m, names)
    answers = {"knn": knn_sets(train_nd, y_nl, test_md, k=k), "probe": probe_sets(train_nd, y_nl, test_md)}
    figures: dict[str, Figure] = {}
    columns = list(dict.fromkeys(name.partition("=")[0] for name in names if "=" in name))
    several = len(columns) > 1 and all("=" in name for name in names)
    for kind, said_ml in answers.items():
        for statistic in ("micro_f1", "macro_f1"):
            name = f"{kind}_{statistic}"
            figures[name] = figure(name, said_ml, y_ml, statistic=statistic, samples=samples, seed=seed)
    for column in columns if several else ():
        some = [i for i, label in enumerate(names) if label.startswith(f"{column}=")]
        name = f"{column}: knn_micro_f1"
        said_ml = answers["knn"][:, some]
        figures[name] = figure(name, said_ml, y_ml[:, some], statistic="micro_f1", samples=samples, seed=seed)
    return Result("multi-label classification", source, figures)
