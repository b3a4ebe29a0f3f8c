"""Leak-free splits: no text on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from operator import itemgetter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from counterpoint.data.hashing import input_hash, normalise
from counterpoint.data.types import Example, Retrieval, TextData
from counterpoint.errors import InputError

T = TypeVar("T", bound=Hashable)
_AT_ONCE = 1 << 16
"""Components that are lists of Python at once."""
_SORTED = 1 << 21
"""Hashes that are sorted at once."""


@dataclass(frozen=True)
class Split:
    """The three parts of a dataset; `dev` and `test` may have no examples if none were asked for."""

    train: TextData
    dev: TextData
    test: TextData


def split(data: TextData, *, test: float | int = 0.1, dev: float | int = 0.1, seed: int = 0) -> Split:
    """Split so that no text, whatever its role, occurs in two parts.

    Rows that share an anchor or a positive (after `normalise`), directly or through other rows, form a component, and a
    component goes to one part whole. A negative is left out of its row where it is in another part: as an anchor or a
    positive there, or, where it is nothing but a negative anywhere, if rows of train have it (else of test). Mined
    negatives tie nearly all rows together otherwise. Components are drawn at random until a part has its rows; one too
    large for what is left of a part is passed over, so the largest stay in train. Labelled texts are stratified:
    each label (of a text with several the rarest) has its share of each part as nearly as components allow.
    Within a part the order of the rows is kept. Near-duplicates (one word changed) are not recognised.

    Args:
        data: What to split.
        test: Rows of the test part: a fraction below 1, or a number; 0 for none.
        dev: The same for the dev (validation) part.
        seed: Same seed and same data, same split.

    Raises:
        InputError: Too few rows or too large components to fill a part that was asked for.

    Examples:
        >>> rows = [Example(f"text {i // 2}", (f"answer {i}",)) for i in range(100)]
        >>> parts = split(TextData("pairs", rows, "memory"), test=20, dev=0.1)
        >>> len(parts.train), len(parts.dev), len(parts.test)
        (70, 10, 20)
    """
    where_n = draw_parts(components(data.examples), _strata(data.examples), test, dev, seed, data.source)
    examples = _own_negatives(data.examples, where_n.tolist())

    def take(part: int) -> TextData:
        rows = [examples[i] for i in np.flatnonzero(where_n == part)]
        return replace(data, examples=rows, rejected=[])

    return Split(take(0), take(2), take(1))


def split_queries(
    data: Retrieval, *, test: float | int = 0.1, dev: float | int = 0.1, seed: int = 0, strict: bool = False
) -> tuple[Retrieval, Retrieval, Retrieval]:
    """Split the judged queries of retrieval data; the corpus is common to all parts.

    That a document is relevant to queries of two parts is no leak: the corpus is known, the test is whether new
    queries find their documents in it. Queries of the same text (after `normalise`) go to one part, and so do a query
    and a relevant document of it that is a query, too (pairs of duplicates).

    Args:
        data: What to split.
        test: Queries of the test part: a fraction below 1, or a number; 0 for none.
        dev: The same for the dev part.
        seed: Same seed and same data, same split.
        strict: Keep apart whatever shares a judged document, so that no document that was seen in training is
            searched for in the test, as `split` does with pairs.

    Returns:
        Train, dev and test, each with its own queries and their judgements.

    Raises:
        InputError: As `split`.

    Examples:
        >>> queries = {f"q{i}": f"text {i}" for i in range(10)}
        >>> data = Retrieval({"d": "one for all"}, queries, {q: {"d": 1.0} for q in queries}, "memory")
        >>> [len(part.queries) for part in split_queries(data, test=2, dev=1)]
        [7, 1, 2]
        >>> split_queries(data, test=2, dev=1, strict=True)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        counterpoint.errors.InputError: memory: shared texts hold the rows together (10 of 10 in one piece), ...
    """
    judged = [query for query in data.queries if query in data.qrels]
    asked = {normalise(data.queries[query]) for query in judged}

    def tied(query: str) -> tuple[str, ...]:
        texts = [data.corpus[document] for document, gain in data.qrels[query].items() if strict or gain > 0]
        return tuple(text for text in texts if strict or normalise(text) in asked)

    rows = [Example(data.queries[query], tied(query), line=i) for i, query in enumerate(judged)]
    try:
        parts = split(TextData("pairs", rows, data.source), test=test, dev=dev, seed=seed)
    except InputError as error:
        fix = f"{error.fix}, or let the parts share documents (without --strict-split)" if strict else error.fix
        raise InputError(error.what, file=error.file, fix=fix) from None

    def take(part: TextData) -> Retrieval:
        kept = [judged[row.line] for row in part.examples]
        return replace(data, queries={q: data.queries[q] for q in kept}, qrels={q: data.qrels[q] for q in kept})

    return take(parts.train), take(parts.dev), take(parts.test)


def components(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The component (0, 1, ...) of each row: rows that share an anchor or a positive are in the same one.

    Examples:
        >>> rows = [Example("a", ("b",)), Example("c", ("d",)), Example("B", ("e",))]
        >>> components(rows).tolist()
        [0, 1, 0]
    """
    row_e = np.repeat(np.arange(len(examples)), [1 + len(example.positives) for example in examples])
    hash_e = input_hash([normalise(text) for e in examples for text in (e.anchor, *e.positives)])
    return connected(len(examples), row_e, hash_e)


def connected(n: int, row_e: NDArray[np.int64], hash_e: NDArray[np.int64]) -> NDArray[np.int64]:
    """The component (0, 1, ...) of each of `n` rows, where row `row_e[i]` has what `hash_e[i]` stands for."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    # what one row alone has ties it to none
    shared_e = _repeated(hash_e)
    row_e, hash_e = row_e[shared_e], hash_e[shared_e]
    unique, text_e = np.unique(hash_e, return_inverse=True)
    nodes = n + len(unique)  # rows and texts are the two sides of a graph
    graph = coo_matrix((np.ones(len(row_e), dtype=np.int8), (row_e, n + text_e)), (nodes, nodes))
    _, label = connected_components(graph, directed=False)
    component_n: NDArray[np.int64] = np.unique(label[:n], return_inverse=True)[1].astype(np.int64)
    return component_n


def _repeated(hash_e: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these occur more than once; a part of all values at a time, which takes little memory."""
    parts = 1 + len(hash_e) // _SORTED
    found_e, part_e = np.zeros(len(hash_e), dtype=bool), (hash_e % parts).astype(np.int32)
    for part in range(parts):
        place = np.flatnonzero(part_e == part)
        order = place[np.argsort(hash_e[place], kind="stable")]
        same = hash_e[order[1:]] == hash_e[order[:-1]]
        found_e[order[1:][same]] = found_e[order[:-1][same]] = True
    return found_e


def part_sizes(n: int, test: float | int, dev: float | int, source: str) -> dict[str, int]:
    """How many of `n` rows go to test and to dev, asked for as `split` takes it.

    Raises:
        InputError: There are too few.
    """
    sizes = {"test": _rows(test, n, "test"), "dev": _rows(dev, n, "dev")}
    if sum(sizes.values()) >= n:
        raise InputError(
            f"{n} rows cannot give {sizes['dev']} for dev and {sizes['test']} for test",
            file=source,
            fix="give more rows or ask for smaller parts",
        )
    return sizes


def draw_parts(
    component_n: NDArray[np.int64],
    stratum_n: NDArray[np.int64],
    test: float | int,
    dev: float | int,
    seed: int,
    source: str,
    shared: str = "texts",
) -> NDArray[np.int64]:
    """The part of each row, by its component and stratum: 0 train, 1 test, 2 dev; see `split`.

    Args:
        component_n: 0, 1, ...
        stratum_n: Any whole numbers; that of a component is that of its first row.
        test: As `split`.
        dev: As `split`.
        seed: As `split`.
        source: What to name in an error.
        shared: What the rows of a component share.

    Raises:
        InputError: As `split`.
    """
    n = len(component_n)
    sizes = part_sizes(n, test, dev, source)
    _, first = np.unique(component_n, return_index=True)
    stratum_n = _numbered(stratum_n[first][component_n].tolist())
    rows_of = np.bincount(component_n)
    stratum_of = np.zeros(len(rows_of), dtype=np.int64)
    stratum_of[component_n] = stratum_n
    order = np.random.default_rng(seed).permutation(len(rows_of))
    part_of = np.zeros(len(rows_of), dtype=np.int64)  # 0 train, 1 test, 2 dev

    def draw(part: int, strata: NDArray[np.int64], left: list[int]) -> int:
        """Fill `part` with what fits into the room left in each stratum; returns the room left over."""
        for start in range(0, len(order), _AT_ONCE):
            if not any(left):
                break
            some = order[start : start + _AT_ONCE]
            rows = zip(some.tolist(), rows_of[some].tolist(), strata[some].tolist(), strict=True)
            for component, size, stratum in rows:
                if size <= left[stratum] and not part_of[component]:
                    part_of[component] = part
                    left[stratum] -= size
        return sum(left)

    for part, (name, size) in enumerate(sizes.items(), 1):
        left = draw(part, stratum_of, _shares(np.bincount(stratum_n), size))
        left = draw(part, np.zeros_like(stratum_of), [left])
        if size and left == size:
            raise InputError(
                f"shared {shared} hold the rows together ({rows_of.max():,} of {n:,} in one piece), "
                f"so that no {name} part of {size:,} can be cut off without a leak",
                file=source,
                fix=f"give a {name} file of your own",
            )
    where_n: NDArray[np.int64] = part_of[component_n]
    return where_n


def _rows(size: float | int, n: int, name: str) -> int:
    whole = isinstance(size, int) or size >= 1
    if size < 0 or (whole and size != int(size)):
        raise InputError(
            f"the {name} part cannot be {size} rows",
            fix="give a fraction below 1 or a whole number",
        )
    return int(size) if whole else max(round(size * n), int(size > 0))


def parts_of(tied: Iterable[tuple[T, int]], others: Iterable[tuple[T, int]]) -> dict[T, int]:
    """The part that each thing is in: that of the rows which it ties together, else the first that has it at all.

    Examples:
        >>> parts_of([("a", 1)], [("a", 0), ("b", 2), ("b", 1)])
        {'a': 1, 'b': 1}
    """
    place = dict(tied)
    for each, part in sorted(others, key=itemgetter(1)):
        place.setdefault(each, part)
    return place


def _own_negatives(examples: list[Example], where: list[int]) -> list[Example]:
    """The rows without those of their negatives that are in another part than they are."""
    if not any(e.negatives for e in examples):
        return examples
    rows = list(zip(examples, where, strict=True))
    place = parts_of(
        ((normalise(text), part) for e, part in rows for text in (e.anchor, *e.positives)),
        ((normalise(text), part) for e, part in rows for text in e.negatives),
    )

    def own(e: Example, part: int) -> Example:
        kept = [place[normalise(text)] == part for text in e.negatives]
        if all(kept):
            return e
        fixed, rest = e.scores[: len(e.positives)], e.scores[len(e.positives) :]
        scores = (*fixed, *compress(rest, kept))
        return replace(e, negatives=tuple(compress(e.negatives, kept)), scores=scores)

    return [own(e, part) for e, part in rows]


def _strata(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The stratum of each row: its label, of several the rarest; one for all without."""
    common = Counter(label for e in examples for label in e.labels or ())

    def stratum(e: Example) -> Hashable:
        return e.label if not e.labels else min(e.labels, key=lambda label: (common[label], label))

    return _numbered([stratum(e) for e in examples])


def _numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """The number of each, in order of first appearance."""
    numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def _shares(rows_by_stratum: NDArray[np.int64], size: int) -> list[int]:
    """Divide `size` over the strata in proportion to their rows, by largest remainder."""
    exact = rows_by_stratum * (size / rows_by_stratum.sum())
    share = np.floor(exact).astype(np.int64)
    short = size - int(share.sum())
    largest = np.argsort(share - exact, kind="stable")[:short]
    share[largest] += 1
    return [int(count) for count in share]
