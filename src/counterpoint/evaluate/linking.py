"""Clusters of what is near: neighbours above a threshold are linked, and what is linked is one concept."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int64

from counterpoint.errors import InputError
from counterpoint.search import exact_search


def linked_clusters(z_nd: Float[np.ndarray, "n d"], threshold: float, *, near: int = 30) -> Int64[np.ndarray, " n"]:
    """A number of each item's cluster: those that are linked, directly or through others.

    Two are linked if one is among the `near` nearest of the other, and their cosine is above the threshold. Source:
    Zeng et al. 2022 (CODER++), with 0.8; they divide clusters of more than 50 once more.

    Args:
        z_nd: The vectors.
        threshold: Of the cosine.
        near: Neighbours that are looked at, 1 or more, the item itself not counted.

    Raises:
        InputError: No neighbours; see `exact_search`.

    Examples:
        >>> linked_clusters(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], dtype=np.float32), 0.8).tolist()
        [0, 0, 1]
    """
    return _linked(*neighbours(z_nd, near), threshold)


def neighbours(z_nd: Float[np.ndarray, "n d"], near: int) -> tuple[Int64[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The nearest of each and their cosines, itself among them or copies of it."""
    if near < 1:
        raise InputError(f"{near} neighbours", fix="give 1 or more")
    return exact_search(z_nd, z_nd, min(near + 1, len(z_nd)), metric="cosine")


def pair_f1(clusters_n: Int[np.ndarray, " n"], labels_n: Int[np.ndarray, " n"]) -> float:
    """F1 of pairs: those in one cluster against those of one label; 0 where neither has a pair.

    Args:
        clusters_n: What was found.
        labels_n: What is right.

    Raises:
        InputError: Another number of clusters than of labels.

    Examples:
        >>> pair_f1(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 6]))  # one of three pairs, and one of two
        0.4
    """
    if len(clusters_n) != len(labels_n):
        raise InputError(f"{len(clusters_n):,} clusters and {len(labels_n):,} labels", fix="give one each an item")
    both = np.stack([clusters_n, labels_n], 1)
    hits, found, wanted = (_pairs(side) for side in (both, clusters_n, labels_n))
    return 2 * hits / (found + wanted) if found + wanted else 0.0


def linked_f1(
    z_nd: Float[np.ndarray, "n d"], labels_n: Int[np.ndarray, " n"], thresholds: Float[np.ndarray, " t"], near: int = 30
) -> Float[np.ndarray, " t"]:
    """`pair_f1` of `linked_clusters` at each of several thresholds.

    Examples:
        >>> z = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], dtype=np.float32)
        >>> linked_f1(z, np.array([0, 0, 1]), np.array([0.8, 0.9999])).tolist()
        [1.0, 0.0]
    """
    ids_nk, cosines_nk = neighbours(z_nd, near)
    return np.array([pair_f1(_linked(ids_nk, cosines_nk, threshold), labels_n) for threshold in thresholds])


def _linked(
    ids_nk: Int64[np.ndarray, "n k"], cosines_nk: Float[np.ndarray, "n k"], threshold: float
) -> Int64[np.ndarray, " n"]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, column = (cosines_nk > threshold).nonzero()
    links = coo_array((np.ones(len(row)), (row, ids_nk[row, column])), (len(ids_nk), len(ids_nk)))
    clusters: np.ndarray = connected_components(links, directed=False)[1]
    return clusters.astype(np.int64)


def _pairs(groups: Int[np.ndarray, "n *g"]) -> int:
    counts = np.unique(groups, axis=0, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())
