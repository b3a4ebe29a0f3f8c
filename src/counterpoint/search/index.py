"""A searchable folder: documents, their vectors in Milvus, a BM25 index beside them."""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError
from counterpoint.files import atomic, remove, write_json
from counterpoint.search._milvus import DEEPEST, LIMIT, Collection, is_open
from counterpoint.search.bm25 import BM25
from counterpoint.search.exact import METRICS, Metric
from counterpoint.search.fusion import reciprocal_rank_fusion

Progress = Callable[[int, int], None]
"""Called while documents are written, with how many are and how many there are."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found: its id, its score (higher is closer), its text."""

    id: str
    score: float
    text: str


class Index:
    """Documents that can be searched by vector, and by vector and words together.

    Made by `Index.build`, opened by `Index.open`; close it, or use it in a `with`. The folder holds
    `index.json` (metric, dimensions, what model made the vectors), `index.db` (Milvus Lite, unless the
    documents are in a cluster) and `bm25`. A Milvus Lite file is served by threads of this process, which
    `close` ends; only one process at a time can have it open. Search is exact (FLAT).

    Attributes:
        folder: Where it is.
        metric: "cosine", "dot" or "euclidean".
        dim: Dimensions of the vectors.
        metadata: What was given to `build`.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "index"
        >>> z_nd = np.eye(3, dtype=np.float32)
        >>> texts = ["a cat sleeps", "a dog barks", "rain falls"]
        >>> with Index.build(folder, ["a", "b", "c"], texts, z_nd) as index:
        ...     index.search(z_nd[1:2], k=1)
        [[Hit(id='b', score=1.0, text='a dog barks')]]
        >>> with Index.open(folder) as index:
        ...     [hit.id for hit in index.hybrid(["sleeping cats"], z_nd[1:2], k=2)[0]]
        ['a', 'b']
    """

    def __init__(self, folder: Path, about: dict[str, Any], collection: Collection) -> None:
        self.folder, self._collection = folder, collection
        self.metric: Metric = about["metric"]
        self.dim: int = about["dim"]
        self.metadata: dict[str, Any] = about["metadata"]
        self._lexical: tuple[list[str], BM25] | None = None

    @classmethod
    def build(
        cls,
        folder: str | os.PathLike[str],
        ids: Sequence[str],
        texts: Sequence[str],
        embeddings: Float[np.ndarray, "n d"],
        *,
        metric: Metric = "cosine",
        metadata: Mapping[str, Any] | None = None,
        uri: str = "",
        token: str = "",
        language: str = "auto",
        progress: Progress | None = None,
    ) -> Index:
        """Index documents; what was in `folder` is replaced when, and only when, the new index is whole.

        Args:
            folder: Where to; absent, empty, or an index.
            ids: One a document, all different, not empty, at most 65,535 bytes each.
            texts: What is shown and what words are searched in; the first 65,535 bytes are kept.
            embeddings: One row a document, finite.
            metric: How queries will be compared.
            metadata: Anything JSON can hold; by convention `model` (path or name), `hash`, `prompts`.
            uri: A Milvus cluster ("http://host:19530"); a file in `folder` if not given.
            token: For a cluster, "user:password" or an API key; it is not written to the folder.
            language: Of the texts, for BM25, see `BM25`.
            progress: Called with how many documents are written and how many there are.

        Raises:
            InputError: Any of the above does not hold, the folder holds something else or is in use, the
                disk is full, or the cluster does not answer.
            MissingExtra: The extra `search` is not installed.
        """
        folder = Path(folder)
        _check(ids, texts, embeddings, metric)
        old = _replaceable(folder)
        about = {
            "format": 1,
            "metric": metric,
            "dim": embeddings.shape[1],
            "uri": uri,
            # under a new name, so that a cluster serves the old one until the new one is whole
            "collection": f"documents_{uuid.uuid4().hex}",
            "language": language,
            "metadata": dict(metadata or {}),
        }
        with atomic(folder) as part:
            part.mkdir()
            with _connect(part, about, token, folder) as collection:
                try:
                    collection.create(embeddings.shape[1])
                    collection.write(ids, texts, embeddings, replace=False, progress=progress)
                    _save_lexical(part, list(ids), BM25(texts, language=language))
                    write_json(part / "index.json", about)
                except BaseException:
                    if uri:
                        collection.drop()
                    raise
        if old and old["uri"]:
            with _connect(folder, old, token) as collection:
                collection.drop()
        return cls.open(folder, token=token)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, token: str = "") -> Index:
        """Open what `build` made.

        Raises:
            InputError: There is no index, it is not whole, another process has it open, or the cluster does
                not answer.
        """
        folder = Path(folder)
        about = _read(folder)
        if not about["uri"] and not (folder / "index.db").is_dir():
            raise InputError("the index is not whole: no index.db", file=folder, fix="build it again")
        collection = _connect(folder, about, token)
        try:
            if not collection.load():
                raise InputError(
                    f"the index is not whole: no collection {about['collection']}",
                    file=folder,
                    fix="build it again",
                )
            return cls(folder, about, collection)
        except BaseException:
            collection.close()
            raise

    def close(self) -> None:
        """Close it and end the threads that served it; closing twice is fine."""
        self._collection.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._collection.count()

    def search(self, queries_nd: Float[np.ndarray, "n d"], k: int = 10) -> list[list[Hit]]:
        """The `k` documents closest to every query, best first; fewer if there are fewer.

        Scores are as in `exact_search`: cosine, inner product or negative distance.

        Args:
            queries_nd: One row a query, from the model that made the index.
            k: From 1 to 16,384.

        Raises:
            InputError: Another number of dimensions, values that are not finite, or `k` out of range.
        """
        queries_nd = np.asarray(queries_nd)
        _check_k(k)
        if queries_nd.ndim != 2 or queries_nd.shape[1] != self.dim:
            model = self.metadata.get("model")
            raise InputError(
                f"queries of shape {queries_nd.shape} cannot be searched in an index of {self.dim} dimensions",
                file=self.folder,
                fix=f"encode them with the model that made the index{f' ({model})' if model else ''}, "
                "or build the index again with yours",
            )
        _check_finite(queries_nd, "queries")
        return [[Hit(*hit) for hit in hits] for hits in self._collection.search(queries_nd, k)]

    def hybrid(
        self,
        queries: Sequence[str],
        queries_nd: Float[np.ndarray, "n d"],
        k: int = 10,
        *,
        depth: int = 100,
        weights: tuple[float, float] = (1.0, 1.0),
    ) -> list[list[Hit]]:
        """Search by vector and by words (BM25), fused by reciprocal rank; scores are the fused ones.

        Args:
            queries: The texts.
            queries_nd: Their vectors, in the same order.
            k: How many to return, from 1 to 16,384.
            depth: How many of each kind to fuse.
            weights: Of the vectors and of the words.

        Raises:
            InputError: As `search`, or other numbers of texts and vectors.
        """
        if len(queries) != len(queries_nd):
            raise InputError(f"{len(queries)} texts and {len(queries_nd)} vectors", fix="give one vector for each")
        _check_k(k)
        if len(self) == 0:
            return [[] for _ in queries]
        dense = [[hit.id for hit in hits] for hits in self.search(queries_nd, max(depth, k))]
        names, bm25 = self._words()
        rows, _ = bm25.search(queries, max(depth, k))
        lexical = [[names[row] for row in found if row >= 0] for found in rows]
        return [self._fused(ranked, k, weights) for ranked in zip(dense, lexical, strict=True)]

    def _fused(self, ranked: tuple[list[str], list[str]], k: int, weights: tuple[float, float]) -> list[Hit]:
        names = sorted(set(ranked[0]) | set(ranked[1]))
        number = {name: i for i, name in enumerate(names)}
        rankings = [np.array([[number[name] for name in r]], dtype=np.int64) for r in ranked]
        (ids,), (scores,) = reciprocal_rank_fusion(rankings, weights=weights, depth=k)
        found = [(names[i], float(s)) for i, s in zip(ids, scores, strict=True) if i >= 0]
        texts = self._collection.texts([name for name, _ in found])
        return [Hit(name, score, texts[name]) for name, score in found if name in texts]

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        embeddings: Float[np.ndarray, "n d"],
        *,
        progress: Progress | None = None,
    ) -> None:
        """Add documents; one whose id is there already is replaced. BM25 is brought up to date when next used.

        Raises:
            InputError: As `build`, or another number of dimensions.
        """
        _check(ids, texts, embeddings, self.metric)
        if embeddings.shape[1] != self.dim:
            raise InputError(
                f"embeddings of {embeddings.shape[1]} dimensions do not go into an index of {self.dim}",
                file=self.folder,
                fix="encode them with the model that made the index",
            )
        self._forget_words()
        self._collection.write(ids, texts, embeddings, replace=True, progress=progress)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; unknown ids are ignored. Returns how many were removed."""
        self._forget_words()
        before = len(self)
        self._collection.delete(ids)
        return before - len(self)

    def _forget_words(self) -> None:
        """Before the documents change, so that a kill in between cannot leave a BM25 that does not match."""
        self._lexical = None
        remove(self.folder / "bm25")

    def _words(self) -> tuple[list[str], BM25]:
        """The ids and the BM25 of the documents as they are now, built again if they have changed."""
        if self._lexical is None and (self.folder / "bm25").is_dir():
            self._lexical = _load_lexical(self.folder)
        # others may have added to a cluster
        if self._lexical is None or len(self._lexical[0]) != len(self):
            found = self._collection.all_texts()
            language = _read(self.folder)["language"]
            self._lexical = list(found), BM25(list(found.values()), language=language)
            _save_lexical(self.folder, *self._lexical)
        return self._lexical


def _connect(part: Path, about: Mapping[str, Any], token: str, folder: Path | None = None) -> Collection:
    """The documents of an index; `part` is where it is while it is built in place of `folder`."""
    if about["uri"]:
        return Collection(about["uri"], about["collection"], about["metric"], token=token)
    return Collection(part / "index.db", about["collection"], about["metric"], folder=folder or part)


def _save_lexical(folder: Path, ids: list[str], bm25: BM25) -> None:
    with atomic(folder / "bm25") as part:
        bm25.save(part)
        write_json(part / "ids.json", ids)


def _load_lexical(folder: Path) -> tuple[list[str], BM25]:
    bm25 = BM25.load(folder / "bm25")
    try:
        ids = json.loads((folder / "bm25" / "ids.json").read_text("utf-8"))
        if len(ids) != len(bm25):
            raise ValueError(f"{len(ids)} ids for {len(bm25)} documents")
    except (OSError, ValueError) as error:
        raise InputError(
            f"the BM25 index cannot be read ({error})", file=folder, fix="build the index again"
        ) from error
    return ids, bm25


def _read(folder: Path) -> dict[str, Any]:
    file = folder / "index.json"
    try:
        about: dict[str, Any] = json.loads(file.read_text("utf-8"))
        good = (
            about["format"] == 1
            and about["metric"] in METRICS
            and isinstance(about["dim"], int)
            and all(isinstance(about[key], str) for key in ("uri", "collection", "language"))
            and isinstance(about["metadata"], dict)
        )
    except FileNotFoundError as error:
        raise InputError("there is no index", file=folder, fix="make one with: counterpoint index") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the index's description cannot be read ({error!r})", file=file, fix="build it again"
        ) from error
    if not good:
        raise InputError("the index was made by another version", file=file, fix="build it again")
    return about


def _replaceable(folder: Path) -> dict[str, Any] | None:
    """Checks that `folder` may be replaced; gives the description of the index in it, if there is one."""
    if is_open(folder / "index.db"):
        raise InputError("the index is open", file=folder, fix="close it before building it again")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / "index.json").is_file():
        raise InputError(
            "the folder holds something that is not an index, which would be lost",
            file=folder,
            fix="choose another folder",
        )
    try:
        about = _read(folder)
    except InputError:
        return None  # a broken one may be replaced
    if not about["uri"] and (folder / "index.db").is_dir():
        _connect(folder, about, "").close()  # refuses if another process has it open
    return about


def _check(ids: Sequence[str], texts: Sequence[str], embeddings: np.ndarray, metric: str) -> None:
    if embeddings.ndim != 2 or not len(ids) == len(texts) == len(embeddings):
        raise InputError(
            f"{len(ids)} ids, {len(texts)} texts and embeddings of shape {embeddings.shape} do not fit",
            fix="give one of each for every document",
        )
    if len(ids) == 0 or embeddings.shape[1] == 0:
        raise InputError("there is nothing to index", fix="give at least one document")
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise InputError(f"the id {twice!r} stands twice", fix="give every document its own")
    bad = [name for name in ids if not name or len(name.encode()) > LIMIT]
    if bad:
        raise InputError(f"the id {bad[0][:40]!r} has {len(bad[0].encode()):,} bytes", fix=f"use 1 to {LIMIT:,}")
    if metric not in METRICS:
        raise InputError(f"unknown metric {metric!r}", fix=f"choose one of {', '.join(METRICS)}")
    _check_finite(embeddings, "embeddings")


def _check_finite(z_nd: np.ndarray, name: str) -> None:
    for start in range(0, len(z_nd), 4096):
        bad = ~np.isfinite(z_nd[start : start + 4096]).all(axis=1)
        if bad.any():
            raise InputError(
                f"row {start + int(bad.argmax())} of the {name} holds NaN or infinite values",
                fix="encode it again; a model that gives NaN has diverged in training",
            )


def _check_k(k: int) -> None:
    if not 1 <= k <= DEEPEST:
        raise InputError(f"k is {k}", fix=f"it must be from 1 to {DEEPEST:,}")
