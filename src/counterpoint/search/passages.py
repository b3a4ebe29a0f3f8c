"""Long documents that are searched by passages: a document is as near as its best passage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from counterpoint.data.passages import DOCUMENT
from counterpoint.errors import refuse_string
from counterpoint.search.hit import Hit

if TYPE_CHECKING:
    from counterpoint.search.index import Index


def passages_of(index: Index, documents: Sequence[str]) -> list[str]:
    """The ids of all passages that an index has of these documents (see `counterpoint.data.in_passages`).

    Examples:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from counterpoint.search import Index
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "index"
        >>> with Index.build(folder, ["a#1", "a#2", "b#1"], ["x", "y", "z"], np.eye(3, dtype=np.float32)) as index:
        ...     passages_of(index, ["a", "c"])
        ['a#1', 'a#2']
    """
    refuse_string(documents, "documents")
    found, left, number = list[str](), list(dict.fromkeys(documents)), 1
    while left:
        # a document's passages are numbered without a gap
        held = index.get([f"{document}#{number}" for document in left])
        left = [document for document, one in zip(left, held, strict=True) if one is not None]
        found += [f"{document}#{number}" for document in left]
        number += 1
    return found


def best_passages(search: Callable[[int], Sequence[Hit]], k: int) -> list[Hit]:
    """The `k` documents whose best passages are nearest, each as a hit with the document's id and that passage's text.

    It is searched deeper until there are so many documents, or no more passages.

    Args:
        search: From a depth to so many passages, best first.
        k: 1 or more.

    Examples:
        >>> hits = [Hit(f"{d}#{i}", s, t, {"document": d, "passage": i}) for d, i, s, t in
        ...         (("a", 2, 0.9, "x"), ("a", 1, 0.8, "y"), ("b", 1, 0.7, "z"))]
        >>> [(hit.id, hit.text, hit.columns) for hit in best_passages(lambda depth: hits[:depth], 2)]
        [('a', 'x', {'passage': 2}), ('b', 'z', {'passage': 1})]
    """
    depth = 2 * k
    while True:
        found = search(depth)
        best = dict[str, Hit]()
        for hit in found:
            columns = {name: value for name, value in hit.columns.items() if name != DOCUMENT}
            document = hit.columns.get(DOCUMENT, hit.id)
            best.setdefault(document, replace(hit, id=document, columns=columns))
        if len(best) >= k or len(found) < depth:
            return list(best.values())[:k]
        depth *= 4
