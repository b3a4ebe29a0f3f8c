"""The mean classifier: a class is the mean of its embeddings, and an embedding's score for it is the inner product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError, refuse_string


def mean_classifier(
    train_nd: Float[np.ndarray, "n d"], labels_n: Sequence[str], test_md: Float[np.ndarray, "m d"]
) -> np.ndarray:
    """The label whose mean training embedding has the highest inner product with the embedding; nothing is fitted.

    Source: Arora et al. 2019, "A Theoretical Analysis of Contrastive Unsupervised Representation Learning", section
    2 (`W^mu`, without a bias, on embeddings as they are).

    Args:
        train_nd: Embeddings with known labels.
        labels_n: Their labels.
        test_md: Embeddings to label.

    Raises:
        InputError: Other numbers of labels and rows, or none.

    Examples:
        >>> train = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
        >>> mean_classifier(train, ["a", "a", "b"], np.array([[0.1, 1.0]]))
        array(['b'], dtype='<U1')
    """
    classes, mean_cd, _ = _means(train_nd, labels_n)
    return np.asarray(classes[(test_md @ mean_cd.T).argmax(1)])


def mean_classifier_on_two(
    train_nd: Float[np.ndarray, "n d"],
    labels_n: Sequence[str],
    test_md: Float[np.ndarray, "m d"],
    test_labels_m: Sequence[str],
) -> float:
    """Accuracy of the mean classifier for two classes, averaged over all pairs of them; a tie counts half.

    Source: Arora et al. 2019, section 8.1 (AVG-2). Of a pair either class counts half, whatever its number of tests.

    Args:
        train_nd: Embeddings with known labels.
        labels_n: Their labels.
        test_md: Embeddings to label, of the same classes.
        test_labels_m: Their labels.

    Raises:
        InputError: Other numbers of labels and rows, or none; fewer than two classes; a test label that is not known.

    Examples:
        >>> train = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> # a's item is right against b (1 > 0) and not against c (a tie); b's is wrong twice; c's is right twice
        >>> test = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
        >>> round(mean_classifier_on_two(train, ["a", "b", "c"], test, ["a", "b", "c"]), 4)
        0.5833
    """
    refuse_string(labels_n, "labels")
    refuse_string(test_labels_m, "labels")
    classes, mean_cd, _ = _means(train_nd, labels_n)
    truth, label_m = np.unique(test_labels_m, return_inverse=True)
    if len(classes) < 2 or len(truth) == 0 or len(test_labels_m) != len(test_md) or not np.isin(truth, classes).all():
        raise InputError(f"{len(classes)} known classes and {len(truth)} to be told", fix="give two or more, all known")
    own_m = np.searchsorted(classes, truth)[label_m]
    score_mc = test_md @ mean_cd.T
    own = score_mc[np.arange(len(test_md)), own_m][:, None]
    won_mc = (own > score_mc) + 0.5 * (own == score_mc)
    won_mc[np.arange(len(test_md)), own_m] = 0.0
    per_item = won_mc.sum(1) / (len(classes) - 1)
    return float((np.bincount(label_m, per_item) / np.bincount(label_m)).mean())


def collision(labels_n: Sequence[str]) -> float:
    """The probability that two independent examples are of one class, `tau = sum_c rho_c^2`.

    Source: Arora et al. 2019, section 4.1: how often a negative is of the positive's own class.

    Examples:
        >>> collision(["a", "a", "b", "b"])
        0.5
    """
    refuse_string(labels_n, "labels")
    counts = np.unique(labels_n, return_counts=True)[1]
    return float(((counts / counts.sum()) ** 2).sum())


def mean_classifier_loss(z_nd: Float[np.ndarray, "n d"], labels_n: Sequence[str]) -> float:
    """Loss of the mean classifier on two classes, averaged over pairs of different ones; 1 where nothing is known.

    `E_{c != c'} E_{x ~ c} log2(1 + exp(-z_x . (mu_c - mu_c')))`, classes drawn as often as they occur. Source: Arora et
    al. 2019, `L_sup^mu` of section 2 with the logistic loss, which for every embedding is at most
    `(L_un - tau) / (1 - tau)` (lemma 4.3) for similar pairs and negatives drawn from the same classes.

    Args:
        z_nd: Embeddings, as they are; the means are of the same ones.
        labels_n: Their labels, two or more different ones.

    Raises:
        InputError: Other numbers of labels and rows, or fewer than two classes.

    Examples:
        >>> mean_classifier_loss(np.zeros((4, 2)), ["a", "a", "b", "b"])
        1.0
    """
    classes, mean_cd, label_n = _means(z_nd, labels_n)
    if len(classes) < 2:
        raise InputError("the labels are all the same", fix="give two classes or more")
    score_nc = z_nd.astype(np.float64) @ mean_cd.T
    loss_nc = np.logaddexp(0, score_nc - score_nc[np.arange(len(z_nd)), label_n][:, None]) / np.log(2)
    share_c = np.bincount(label_n) / len(label_n)
    weight_nc = share_c * (np.arange(len(classes)) != label_n[:, None])
    return float((loss_nc * weight_nc).sum() / weight_nc.sum())


def _means(z_nd: np.ndarray, labels_n: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    refuse_string(labels_n, "labels")
    if z_nd.ndim != 2 or len(z_nd) != len(labels_n) or len(z_nd) == 0:
        raise InputError(
            f"embeddings of shape {z_nd.shape} and {len(labels_n)} labels do not fit",
            fix="give one label for each of one or more rows",
        )
    classes, label_n = np.unique(labels_n, return_inverse=True)
    sum_cd = np.zeros((len(classes), z_nd.shape[1]))
    np.add.at(sum_cd, label_n, z_nd)
    return classes, sum_cd / np.bincount(label_n)[:, None], label_n
