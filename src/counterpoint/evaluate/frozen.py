"""What frozen embeddings hold: similarity judgements, classes by neighbours or a linear probe, clusters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Figure, Interval, Result
from counterpoint.search.exact import METRICS, TIED, Metric, exact_search, score_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def similarity(
    x_nd: Float[np.ndarray, "n d"], y_nd: Float[np.ndarray, "n d"], metric: Metric = "cosine"
) -> Float[np.ndarray, " n"]:
    """Cosine, inner product or negative distance (`METRICS`) of row i with row i, in float64.

    Raises:
        InputError: The shapes differ, or an unknown metric.

    Examples:
        >>> similarity(np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))
        array([0.8])
    """
    if x_nd.shape != y_nd.shape or x_nd.ndim != 2:
        raise InputError(f"rows of {x_nd.shape} and {y_nd.shape} do not pair up", fix="give as many of each")
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}", fix=f"choose one of {', '.join(METRICS)}")
    x_nd, y_nd = x_nd.astype(np.float64), y_nd.astype(np.float64)
    if metric == "modulus":
        first, last = np.split(x_nd - y_nd, 2, axis=1)
        return np.asarray(-np.hypot(first, last).sum(1))
    if metric in ("euclidean", "manhattan"):
        return np.asarray(-np.linalg.norm(x_nd - y_nd, 1 if metric == "manhattan" else 2, axis=1))
    dot_n: np.ndarray = (x_nd * y_nd).sum(1)
    if metric == "dot":
        return dot_n
    return np.asarray(dot_n / (np.linalg.norm(x_nd, axis=1) * np.linalg.norm(y_nd, axis=1)).clip(1e-12))


def sts(
    x_nd: Float[np.ndarray, "n d"],
    y_nd: Float[np.ndarray, "n d"],
    scores_n: Sequence[float],
    *,
    metrics: Sequence[Metric] = ("cosine",),
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Semantic textual similarity: correlation of similarities with people's scores.

    Gives `spearman` and `pearson` of the cosine, and `spearman_dot`, ... of other metrics that are asked for.

    Args:
        x_nd: Embeddings of the first texts.
        y_nd: Embeddings of the second texts.
        scores_n: How alike people find them, on any scale.
        metrics: What to take as similarity.
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: Other numbers of texts and scores, or values that are not finite.

    Examples:
        >>> x = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        >>> y = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> sts(x, y, [5.0, 4.0, 1.0])["spearman"].value
        1.0
    """
    refuse_string(metrics, "metrics")
    reference = np.asarray(scores_n, dtype=np.float64)
    figures = {}
    for metric in metrics:
        values = similarity(x_nd, y_nd, metric)
        for kind in ("spearman", "pearson"):
            name = kind if metric == "cosine" else f"{kind}_{metric}"
            figures[name] = figure(name, values, reference, statistic=kind, samples=samples, seed=seed)
    return Result("sts", source, figures)


def knn(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    *,
    k: int = 10,
) -> np.ndarray:
    """The label most of the `k` nearest training rows (by cosine) have.

    Rows that are as near as the `k`-th share the votes that are left for them, so the order of the rows plays no part.
    Of labels with as many votes the one whose votes have the higher sum of cosines wins, and of those with the same
    sum, too, the first by name.

    Raises:
        InputError: No training rows, other numbers of labels and rows, or what `exact_search` refuses.

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> knn(train, ["a", "a", "b"], np.array([[1.0, 0.1]]), k=3)
        array(['a'], dtype='<U1')
    """
    from scipy.sparse import csr_array

    _check(train_nd, labels_n)
    classes, label_n = np.unique(labels_n, return_inverse=True)
    label_nc = csr_array((np.ones(len(label_n)), (np.arange(len(label_n)), label_n)))
    chosen = [np.empty(0, dtype=np.int64)]
    for vote_bn, cosine_bn in neighbour_votes(train_nd, test_md, k):
        vote_bc, cosine_bc = (vote_bn @ label_nc).toarray(), (vote_bn.multiply(cosine_bn) @ label_nc).toarray()
        # sums in another order differ in the last digits
        most_bc = vote_bc >= vote_bc.max(1, keepdims=True) - 1e-9
        cosine_bc = np.where(most_bc, cosine_bc, -np.inf)
        chosen.append((cosine_bc >= cosine_bc.max(1, keepdims=True) - k * TIED).argmax(1))
    return np.asarray(classes[np.concatenate(chosen)])


def neighbour_votes(
    train_nd: Float[np.ndarray, "n d"], test_md: Float[np.ndarray, "m d"], k: int
) -> Iterator[tuple[csr_array, Float[np.ndarray, "b n"]]]:
    """The votes that the training rows have for each test row, `k` in all, and their cosines, in blocks of test rows.

    The `k` nearest have one each; rows that are as near as the `k`-th share what is left, so that the order of the rows
    plays no part. With fewer than `k` rows all have one.

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> [votes.toarray().tolist() for votes, _ in neighbour_votes(train, train[:1], 2)]
        [[[1.0, 0.5, 0.5]]]
    """
    from scipy.sparse import csr_array

    k = min(k, len(train_nd))
    for cosine_bn in (rows.scores_bm for rows in score_rows(test_md, train_nd)):
        last_b1 = torch.from_numpy(cosine_bn).topk(k, dim=1).values[:, -1:].numpy()
        closer_bn, level_bn = cosine_bn > last_b1 + TIED, np.abs(cosine_bn - last_b1) <= TIED
        share_b = (k - closer_bn.sum(1)) / level_bn.sum(1)
        row, column = np.nonzero(closer_bn | level_bn)
        vote = np.where(closer_bn[row, column], 1.0, share_b[row])
        yield csr_array((vote, (row, column)), cosine_bn.shape), cosine_bn


def nearest_mean(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    *,
    metric: Metric = "cosine",
) -> np.ndarray:
    """The label whose training rows have the nearest mean: a class is known by its prototype, without fitting anything.

    Of labels whose means are equally near it is the first by name.

    With the cosine, rows are scaled to length one before they are averaged. Sources: Snell et al. 2017, "Prototypical
    Networks for Few-shot Learning", eq. 1 and 2 (Euclidean); Mensink et al. 2013 (nearest class mean).

    Args:
        train_nd: Embeddings with known labels; classes that the encoder never saw in training, say.
        labels_n: Their labels.
        test_md: Embeddings to label.
        metric: As of `exact_search`.

    Raises:
        InputError: As `knn`.

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> nearest_mean(train, ["a", "a", "b"], np.array([[1.0, 0.9]]))
        array(['a'], dtype='<U1')
    """
    _check(train_nd, labels_n)
    classes, label_n = np.unique(labels_n, return_inverse=True)
    train_nd = train_nd.astype(np.float64)
    if metric == "cosine":
        train_nd = train_nd / np.linalg.norm(train_nd, axis=1, keepdims=True).clip(1e-12)
    means_cd = np.zeros((len(classes), train_nd.shape[1]))
    np.add.at(means_cd, label_n, train_nd)
    means_cd /= np.bincount(label_n)[:, None]
    ids_m1, _ = exact_search(test_md.astype(np.float32), means_cd.astype(np.float32), 1, metric=metric)
    return np.asarray(classes[ids_m1[:, 0]])


def probe(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    *,
    c: float = 1.0,
) -> np.ndarray:
    """Labels by multinomial logistic regression on the embeddings as they are (L2 penalty, L-BFGS, scikit-learn).

    The solver stops after 5,000 steps at the latest.

    Args:
        train_nd: Embeddings to fit.
        labels_n: Their labels, two or more different ones.
        test_md: Embeddings to label.
        c: Inverse strength of the penalty.

    Raises:
        InputError: Other numbers of labels and rows, or fewer than two classes.

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
        >>> probe(train, ["a", "a", "b", "b"], np.array([[1.0, 0.1]]))
        array(['a'], dtype='<U1')
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    _check(train_nd, labels_n)
    if len(set(labels_n)) < 2:
        raise InputError("the training labels are all the same", fix="give two classes or more")
    model = LogisticRegression(C=c, max_iter=5000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train_nd, np.asarray(labels_n))
    labels_m: np.ndarray = model.predict(test_md)
    return labels_m


def classification(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    labels_m: Sequence[str],
    *,
    k: int = 10,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Accuracy and macro F1 of the k nearest neighbours and of a linear probe.

    Gives `knn_accuracy`, `knn_macro_f1`, `probe_accuracy`, `probe_macro_f1`.

    Args:
        train_nd: Embeddings with known labels.
        labels_n: Their labels.
        test_md: Embeddings to label.
        labels_m: The right labels.
        k: How many neighbours vote.
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: As `knn` and `probe`.

    Examples:
        >>> train, labels = np.eye(4), ["a", "a", "b", "b"]
        >>> result = classification(train, labels, train, labels, k=1)
        >>> result["knn_accuracy"].value, result["probe_macro_f1"].value
        (1.0, 1.0)
    """
    _check(test_md, labels_m)
    truth = np.asarray(labels_m)
    figures: dict[str, Figure] = {}
    refuse_string(labels_m, "labels")
    answers = {"knn": knn(train_nd, labels_n, test_md, k=k), "probe": probe(train_nd, labels_n, test_md)}
    for kind, said in answers.items():
        right = (said == truth).astype(np.float64)
        accuracy, f1 = f"{kind}_accuracy", f"{kind}_macro_f1"
        figures[accuracy] = figure(accuracy, right, samples=samples, seed=seed)
        figures[f1] = figure(f1, said, truth, statistic="macro_f1", samples=samples, seed=seed)
    return Result("classification", source, figures)


def clustering(
    z_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    *,
    seeds: Sequence[int] = range(5),
    level: float = 0.95,
    source: str = "",
) -> Result:
    """How well k-means on unit vectors, with as many clusters as labels, finds the labels.

    Gives `v_measure` (Rosenberg and Hirschberg 2007; it equals the normalised mutual information with the
    arithmetic mean), `nmi` (with the geometric mean, Strehl and Ghosh 2002) and `ari` (Hubert and Arabie 1985).
    The items are the seeds: the interval is Student's t over them, and says how much the start matters, not
    how much the texts do.

    Args:
        z_nd: The embeddings.
        labels_n: Their labels, two or more different ones.
        seeds: One k-means, with one start, each.
        level: Of the interval.
        source: What was measured, for the record.

    Raises:
        InputError: Other numbers of labels and rows, or fewer than two classes.

    Examples:
        >>> z = np.repeat(np.eye(3), 4, axis=0)
        >>> clustering(z, ["a"] * 4 + ["b"] * 4 + ["c"] * 4)["v_measure"].value
        1.0
    """
    from scipy.stats import t
    from sklearn import metrics
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.preprocessing import normalize

    _check(z_nd, labels_n)
    truth = np.unique(labels_n, return_inverse=True)[1]
    clusters = int(truth.max()) + 1
    if clusters < 2:
        raise InputError("the labels are all the same", fix="give two classes or more")
    unit_nd = normalize(z_nd)
    with warnings.catch_warnings():
        # fewer distinct points than clusters: a collapsed model, which the figures show
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = [KMeans(clusters, n_init=1, random_state=seed).fit_predict(unit_nd) for seed in seeds]
    scores = {
        "v_measure": [metrics.v_measure_score(truth, said) for said in found],
        "nmi": [metrics.normalized_mutual_info_score(truth, said, average_method="geometric") for said in found],
        "ari": [metrics.adjusted_rand_score(truth, said) for said in found],
    }
    figures = {}
    for name, values in scores.items():
        items = tuple(f"seed {seed}" for seed in seeds)
        mean, n = float(np.mean(values)), len(values)
        interval = None
        if n > 1:
            half = float(t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / n**0.5)
            interval = Interval(mean - half, mean + half, level)
        figures[name] = Figure(name, mean, np.array(values), items=items, interval=interval)
    return Result("clustering", source, figures)


def _check(z_nd: np.ndarray, labels_n: Sequence[str]) -> None:
    refuse_string(labels_n, "labels")
    if z_nd.ndim != 2 or len(z_nd) != len(labels_n) or len(z_nd) == 0:
        raise InputError(
            f"embeddings of shape {z_nd.shape} and {len(labels_n)} labels do not fit",
            fix="give one label for each of one or more rows",
        )
    if not np.isfinite(z_nd).all():
        raise InputError(
            "the embeddings hold NaN or infinite values",
            fix="encode them again; a model that gives NaN has diverged in training",
        )
