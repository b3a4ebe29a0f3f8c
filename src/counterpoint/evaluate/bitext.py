"""Bitext mining: do sentences find their translations, and which pairs of two corpora are translations?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.figures import Figure, Result
from counterpoint.search.exact import TIED, exact_search, score_rows

NEIGHBOURS = 4
"""Neighbours of the margin, as in LASER."""


def bitext(
    x_nd: Float[np.ndarray, "n d"],
    y_nd: Float[np.ndarray, "n d"],
    *,
    texts: tuple[Sequence[str], Sequence[str]] | None = None,
    k: int = NEIGHBOURS,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Tatoeba's question: is the nearest sentence of the other language the translation, in both directions?

    | figure | what it is |
    |---|---|
    | `accuracy`, `accuracy back` | x_i finds y_i, and y_i finds x_i, by the cosine (100% less the "error rate") |
    | `mean accuracy` | the mean of both |
    | `f1`, `f1 back` | MTEB's: found sentences as classes, F1 of each, weighted by how often it is right |
    | `margin accuracy`, `margin accuracy back` | the same by `margins` |
    | `mining f1` | of `mined` pairs, see `mining` |

    Of sentences that score the same each is found as often. A copy of the translation is the translation, as in the
    `TranslationEvaluator` of sentence-transformers (MTEB counts it as wrong). Sources: Artetxe and Schwenk 2019,
    "Massively Multilingual Sentence Embeddings", section 4.3; MTEB (Muennighoff et al. 2023), section 3.2.

    Args:
        x_nd: Sentences; row i is a translation of row i of the other.
        y_nd: The sentences of the other language.
        texts: Both sides' texts, by which copies are known.
        k: Neighbours of the margin.
        source: What was measured, for the record.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: Other numbers of rows or texts, fewer than two, or what `exact_search` refuses.

    Examples:
        >>> x, y = np.eye(3), np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.2], [0.9, 0.0, 0.8]])
        >>> result = bitext(x, y, samples=0)
        >>> [round(result[name].value, 2) for name in ("accuracy", "accuracy back", "f1")]
        [1.0, 0.67, 1.0]
    """
    for side in texts or ():
        refuse_string(side, "texts")
    n = len(x_nd)
    if x_nd.shape != y_nd.shape or n < 2 or (texts is not None and any(len(side) != n for side in texts)):
        raise InputError(
            f"rows of {x_nd.shape} and {y_nd.shape} do not pair up", fix="give two or more, as many of each"
        )
    names = [np.unique(side, return_inverse=True)[1] for side in texts] if texts else [np.arange(n)] * 2
    measured = partial(figure, samples=samples, seed=seed)
    figures: dict[str, Figure] = {}
    sides = {"": (x_nd, y_nd, names[1]), " back": (y_nd, x_nd, names[0])}
    for way, (queries, keys, name_n) in sides.items():
        right, f1 = _found(queries, keys, name_n)
        figures[f"accuracy{way}"] = measured(f"accuracy{way}", right)
        figures[f"f1{way}"] = measured(f"f1{way}", f1)
    both = (figures["accuracy"].values + figures["accuracy back"].values) / 2
    figures["mean accuracy"] = measured("mean accuracy", both)
    for way, (queries, keys, name_n) in sides.items():
        ids, scores = margins(queries, keys, k)
        best = ids[np.arange(n), scores.argmax(1)]
        name = f"margin accuracy{way}"
        figures[name] = measured(name, (name_n[best] == name_n).astype(float))
    found = mining(x_nd, y_nd, [(i, i) for i in range(n)], k=k, samples=samples, seed=seed)
    return Result("bitext", source, figures | found.figures, found.notes)


def _found(
    queries_nd: np.ndarray, keys_nd: np.ndarray, name_n: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """How likely each query finds a key of the right name; and 2 hits / (found + right) of the name it should find."""
    names = int(name_n.max()) + 1
    right: list[np.ndarray] = []
    found = np.zeros(names)
    for rows in score_rows(queries_nd.astype(np.float32), keys_nd.astype(np.float32)):
        score_bm = rows.scores_bm
        best_bm = score_bm >= score_bm.max(1, keepdims=True) - TIED
        share_bm = best_bm / best_bm.sum(1, keepdims=True)
        start = sum(len(part) for part in right)
        own = name_n[start : start + len(share_bm)]
        right.append((share_bm * (name_n[None] == own[:, None])).sum(1))
        found += np.bincount(name_n, weights=share_bm.sum(0), minlength=names)
    right_n = np.concatenate(right)
    hits, gold = np.bincount(name_n, weights=right_n, minlength=names), np.bincount(name_n, minlength=names)
    return right_n, (2 * hits / (found + gold))[name_n]


def margins(
    x_nd: Float[np.ndarray, "n d"], y_md: Float[np.ndarray, "m d"], k: int = NEIGHBOURS
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    r"""The `k` nearest rows of `y` by the cosine, and by how much each is nearer than neighbours usually are.

    $\cos(x, y) \big/ \big(\sum_{z \in N_k(x)} \cos(x, z) + \sum_{z \in N_k(y)} \cos(y, z)\big) \cdot 2k$, the ratio
    margin of Artetxe and Schwenk 2019, "Margin-based Parallel Corpus Mining with Multilingual Sentence Embeddings",
    eq. 2. As in LASER's `mine_bitexts.py`, the candidates of x are its `k` nearest.

    Returns:
        Rows of `y`, nearest first, and their margins (about 1; above it: nearer than usual).

    Examples:
        >>> ids, margin = margins(np.eye(2), np.array([[1.0, 0.0], [0.6, 0.8]]), k=2)
        >>> ids.tolist(), margin.astype(float).round(2).tolist()
        ([[0, 1], [1, 0]], [[1.54, 0.8], [1.45, 0.0]])
    """
    sides = [z.astype(np.float32) for z in (x_nd, y_md)]
    ids_nk, cosine_nk = exact_search(sides[0], sides[1], min(k, len(y_md)))
    _, back_mk = exact_search(sides[1], sides[0], min(k, len(x_nd)))
    usual_nk = (cosine_nk.mean(1, keepdims=True) + back_mk.mean(1)[ids_nk]) / 2
    return ids_nk, cosine_nk / np.where(np.abs(usual_nk) < 1e-12, 1e-12, usual_nk)


def mined(
    x_nd: Float[np.ndarray, "n d"], y_md: Float[np.ndarray, "m d"], k: int = NEIGHBOURS
) -> tuple[Int[np.ndarray, "p 2"], Float[np.ndarray, " p"]]:
    """Pairs of rows that may be translations, each row once, the highest margin first.

    The best candidates of both directions, in order of their margins, each kept if neither row is taken yet (LASER's
    retrieval "max").

    Examples:
        >>> pairs, margin = mined(np.eye(2), np.array([[0.0, 1.0], [1.0, 0.1]]), k=2)
        >>> sorted(pairs.tolist())
        [[0, 1], [1, 0]]
    """
    candidates = []
    for way, sides in enumerate(((x_nd, y_md), (y_md, x_nd))):
        ids, scores = margins(*sides, k)
        best = scores.argmax(1)
        rows = np.arange(len(ids))
        pair = np.stack([rows, ids[rows, best]], 1)
        candidates.append((pair[:, ::-1] if way else pair, scores[rows, best]))
    pairs, scores = (np.concatenate(part) for part in zip(*candidates, strict=True))
    kept, taken_x, taken_y = [], np.zeros(len(x_nd), bool), np.zeros(len(y_md), bool)
    for i in np.argsort(-scores, kind="stable"):
        row, column = pairs[i]
        if not taken_x[row] and not taken_y[column]:
            taken_x[row] = taken_y[column] = True
            kept.append(i)
    return pairs[kept], scores[kept]


def mining(
    x_nd: Float[np.ndarray, "n d"],
    y_md: Float[np.ndarray, "m d"],
    gold: Collection[tuple[int, int]],
    *,
    k: int = NEIGHBOURS,
    source: str = "",
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """BUCC's question: which pairs of two corpora are translations? `mining f1` of `mined` pairs above a threshold.

    The threshold is the margin at which F1 is highest, fitted on the test itself, and said in a note. Source:
    Zweigenbaum et al. 2018, "Overview of the Third BUCC Shared Task"; LASER's `bucc.py`.

    Args:
        x_nd: Sentences of one language.
        y_md: Sentences of the other.
        gold: Which rows (of x, of y) are translations; one or more.
        k: Neighbours of the margin.
        source: What was measured, for the record.
        samples: Bootstrap resamples of candidates and missed pairs, 0 for no interval.
        seed: Of the bootstrap.

    Raises:
        InputError: No gold pair, or what `exact_search` refuses.

    Examples:
        >>> mining(np.eye(2), np.eye(2), [(0, 0), (1, 1)], samples=0)["mining f1"].value
        1.0
    """
    right = {(int(row), int(column)) for row, column in gold}
    if not right:
        raise InputError("no pair is a translation", fix="give one or more")
    pairs, scores = mined(x_nd, y_md, k)
    hit = np.array([tuple(pair) in right for pair in pairs.tolist()])
    # the cut is never between equal margins
    whole = np.append(np.diff(scores) != 0, True)
    f1 = np.where(whole, 2 * hit.cumsum() / (np.arange(1, len(pairs) + 1) + len(right)), -1.0)
    cut = int(f1.argmax()) + 1
    missed = len(right) - int(hit.sum())
    said = np.concatenate([np.arange(len(pairs)) < cut, np.zeros(missed, bool)])[:, None]
    true = np.concatenate([hit, np.ones(missed, bool)])[:, None]
    name = "mining f1"
    value = figure(name, said, true, statistic="micro_f1", samples=samples, seed=seed)
    note = f"threshold of {name}, fitted on these pairs: margin {scores[cut - 1]:.4f}"
    return Result("bitext mining", source, {name: value}, (note,))
