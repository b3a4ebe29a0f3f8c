"""Triplets from a graph of texts, such as papers and who cites whom: by bands of neighbours, or by the links alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from counterpoint.methods.stage import Prepare


def walk_vectors(
    edges_e2: Int64[np.ndarray, "e 2"], n: int, *, dim: int = 512, steps: int = 8, seed: int = 0
) -> Float[np.ndarray, "n d"]:
    r"""A vector for each node of a graph: alike are nodes from which random walks come to the same places.

    With `P` the matrix of a random walk's steps and `R` a random matrix, `sum_k unit(P^k R)` over `k = 1 .. steps`,
    where `unit` scales rows to length one: inner products of rows of `P^k R` are about those of the rows of `P^k`, the
    places where walks of `k` steps end. Source: Chen et al. 2019, "Fast and Accurate Network Embeddings via Very Sparse
    Random Projection" (FastRP), with a Gaussian projection and all weights 1.

    Args:
        edges_e2: Which nodes are linked, whatever the direction; links that are there again count once.
        n: Nodes.
        dim: Of the vectors.
        steps: Of the longest walk.
        seed: Of the projection.

    Returns:
        A node without links has a vector of zeros.

    Examples:
        >>> z = walk_vectors(np.array([[0, 1], [1, 2], [3, 4]]), 5, dim=64)
        >>> bool(z[0] @ z[2] > 10 * abs(z[0] @ z[3]))
        True
    """
    if dim < 1 or steps < 1:
        raise InputError(f"{dim} dimensions, walks of {steps} steps", fix="give 1 or more of each")
    linked = _linked(edges_e2, n)
    degree_n = np.diff(linked.indptr)
    z_nd = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    total_nd = np.zeros_like(z_nd)
    for _ in range(steps):
        z_nd = (linked @ z_nd) / np.maximum(degree_n, 1)[:, None].astype(np.float32)
        total_nd += z_nd / np.maximum(np.linalg.norm(z_nd, axis=1, keepdims=True), 1e-12)
    return total_nd


def neighbourhoods(
    near: tuple[int, int] = (21, 25), far: int = 4000, *, hard: int = 2, dim: int = 512, steps: int = 8
) -> Prepare:
    """A step before training: pairs that are links of a graph become triplets by bands of neighbours in it.

    A text's neighbours are the others in the order of the cosine of their `walk_vectors`, counted from 1. Its positives
    are those in the places `near`, each in a triplet of its own. The negatives of `hard` of these triplets are the
    neighbours in the last places up to `far`, those of the others are drawn from what is farther still. So no negative
    is a positive, and the gap between the bands says how sure that is. Where there are fewer than ten times `far`
    texts, `far` is a tenth of them, or as near as the positives allow.

    Source: Ostendorff et al. 2022 (SciNCL), and their code, whose places these are: of the 25 nearest the last five,
    two hard negatives (3,999 and 4,000), three easy ones. Their vectors are of PyTorch-BigGraph, which learns them.

    Args:
        near: First and last place of positives.
        far: Last place of hard negatives.
        hard: How many of a text's triplets have one; at most one for each positive.
        dim: Of the vectors.
        steps: Of the longest walk.

    Raises:
        InputError: Places in a wrong order; in a call, rows that are no pairs, or too few texts.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example(a, (b,)) for a, b in ("ab", "bc", "ca", "de", "ef", "fd")])
        >>> found = neighbourhoods((1, 2), hard=1)(data, nn.Identity(), 0)
        >>> [found.anchors.texts[i] for i in found.positives[:, 0].sort().values[::2]], len(found)
        (['a', 'b', 'c', 'd', 'e', 'f'], 12)
    """
    first, last = near
    if not 1 <= first <= last < far or not 0 <= hard <= last - first + 1:
        said = f"positives in places {first} to {last}, {hard} hard negatives up to {far}"
        raise InputError(said, fix="count from 1, positives first, and take no more hard negatives than positives")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        from counterpoint.search import exact_search

        del encoder
        texts, edges_e2 = graph_of(data)
        n, each = len(texts), last - first + 1
        depth = min(far, max(n // 10, last + max(hard, 1)))
        if n - depth - 1 < each - hard:
            said = f"{n:,} texts have too few neighbours for positives in places up to {last:,}"
            raise InputError(said, file=data.source or None, fix="give more texts, or nearer places")
        z_nd = walk_vectors(edges_e2, n, dim=dim, steps=steps, seed=seed)
        ids_nk = exact_search(z_nd, z_nd, depth + 1)[0]
        itself_nk = ids_nk == np.arange(n)[:, None]
        # of many that are as near it may not be among them
        itself_nk[:, -1] |= ~itself_nk.any(1)
        ids_nk = ids_nk[~itself_nk].reshape(n, depth)
        generator = np.random.default_rng(seed)
        easy = [_drawn(n, np.append(ids_k, i), each - hard, generator) for i, ids_k in enumerate(ids_nk)]
        negatives_nk = np.concatenate([ids_nk[:, depth - hard :], np.stack(easy)], 1)
        return _triplets(data, texts, ids_nk[:, first - 1 : last], negatives_nk)

    return prepare


def linked_triplets(each: int = 5, *, hard: int = 2) -> Prepare:
    """A step before training: pairs that are links of a graph become triplets, a link and a text that is none.

    Of `hard` of a text's triplets the negative is linked to what the text is linked to, and not to it; of the others it
    is any that it is not linked to. With fewer links than triplets each comes again; where nothing is two links away
    more are of the other kind. Source: Cohan et al. 2020, "SPECTER: Document-level Representation Learning using
    Citation-informed Transformers", section 3.2; there a link has a direction.

    Args:
        each: Triplets of a text.
        hard: How many of them have a hard negative.

    Raises:
        InputError: More hard negatives than triplets; in a call, rows that are no pairs, or a text that is linked to
            all others.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example(a, (b,)) for a, b in ("ab", "bc", "cd")])
        >>> found = linked_triplets(1, hard=1)(data, nn.Identity(), 0)
        >>> found.anchors.texts, found.negatives[[0, 3], 0].tolist()
        (['a', 'b', 'c', 'd'], [2, 1])
    """
    if not 0 <= hard <= each or each < 1:
        raise InputError(f"{each} triplets with {hard} hard negatives", fix="give 1 or more, and no more hard ones")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts, edges_e2 = graph_of(data)
        n, generator = len(texts), np.random.default_rng(seed)
        linked = _linked(edges_e2, n)
        positives_nk, negatives_nk = np.zeros((n, each), np.int64), np.zeros((n, each), np.int64)
        for i in range(n):
            own = linked.indices[linked.indptr[i] : linked.indptr[i + 1]]
            positives_nk[i] = np.resize(generator.permutation(own), each)
            beyond = np.setdiff1d(linked[own].indices, [*own, i])
            taken = generator.permutation(beyond)[:hard]
            more = _drawn(n, np.append(own, [i, *taken]), each - len(taken), generator)
            negatives_nk[i] = np.concatenate([taken, more])
        return _triplets(data, texts, positives_nk, negatives_nk)

    return prepare


def graph_of(data: Data) -> tuple[Items, Int64[np.ndarray, "e 2"]]:
    """The texts that are in pairs, equal ones once, and which of them each pair links; none to itself.

    Raises:
        InputError: Rows that are no pairs, or link nothing.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> texts, edges = graph_of(rows_of([Example("a", ("b", "c")), Example("b", ("a",))]))
        >>> texts.texts, edges.tolist()
        (['a', 'b', 'c'], [[0, 1], [0, 2], [1, 0]])
    """
    if data.others is None or data.positives is None:
        raise InputError(f"links are pairs, and these are {data.schema}", file=data.source or None)
    every = Items.cat([data.anchors, data.others])
    row, column = (data.positives >= 0).nonzero(as_tuple=True)
    ends_e2 = torch.stack([data.anchor[row], len(data.anchors) + data.positives[row, column]], 1)
    hashes_m = every.hashes()
    ends_e2 = ends_e2[hashes_m[ends_e2[:, 0]] != hashes_m[ends_e2[:, 1]]]
    if not len(ends_e2):
        raise InputError("no pair links two texts", file=data.source or None, fix="give pairs of linked texts")
    hashes = hashes_m[ends_e2].numpy()
    _, first, number = np.unique(hashes, return_index=True, return_inverse=True)
    # in the order in which the pairs name them
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return every[ends_e2.flatten()[torch.from_numpy(first[order])]], place[number].reshape(-1, 2)


def _linked(edges_e2: Int64[np.ndarray, "e 2"], n: int) -> csr_array:
    from scipy.sparse import csr_array

    both = np.unique(np.concatenate([edges_e2, edges_e2[:, ::-1]]), axis=0)
    return csr_array((np.ones(len(both), np.float32), (both[:, 0], both[:, 1])), shape=(n, n))


def _drawn(
    n: int, without: Int64[np.ndarray, " k"], size: int, generator: np.random.Generator
) -> Int64[np.ndarray, " s"]:
    """So many of the numbers below `n`, none twice and none of those."""
    left_out, found = set(without.tolist()), list[int]()
    if n - len(left_out) < size:
        said = f"a text has {n - len(left_out):,} others to draw {size} negatives from"
        raise InputError(said, fix="give more texts, or fewer links")
    while len(found) < size:
        (one,) = generator.integers(n, size=1).tolist()
        if one not in left_out:
            found.append(one)
            left_out.add(one)
    return np.array(found, dtype=np.int64)


def _triplets(
    data: Data, texts: Items, positives_nk: Int64[np.ndarray, "n k"], negatives_nk: Int64[np.ndarray, "n k"]
) -> Data:
    n, each = positives_nk.shape
    anchor = torch.arange(n).repeat_interleave(each)
    positives, negatives = (torch.from_numpy(side.reshape(-1, 1)) for side in (positives_nk, negatives_nk))
    return Data(texts, anchor, texts, positives, negatives, source=data.source)
