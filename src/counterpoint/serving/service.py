"""What a server serves: a model, an index perhaps, a reranker perhaps, and the threads that work for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from jaxtyping import Float

from counterpoint.data.passages import PASSAGE
from counterpoint.encoders import fingerprint
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError
from counterpoint.geometry import Ragged
from counterpoint.search import Fusion, Hit, Index, best_passages, score_rows
from counterpoint.search.exact import Metric
from counterpoint.serving.batching import Batcher, Full
from counterpoint.serving.encoding import Asked, Encoded, encoding, text_tower
from counterpoint.serving.limits import Limits
from counterpoint.serving.metrics import Metrics

T = TypeVar("T")

FUSED = 100
"""Places of each ranking that hybrid search fuses, as `Index.hybrid` does: pages end there."""

DEEPEST = 1000
"""Where pages of dense search end."""

_THREADS = 4
_WAITING = 256  # searches and writes that wait for a thread


class Reranker(Protocol):
    """What gives a query and a document together one score."""

    def score(self, queries: Sequence[str], documents: Sequence[str]) -> Float[np.ndarray, " n"]:
        """The score of each query with the document at its place."""


@dataclass
class Service:
    """See the module.

    Attributes:
        encoder: The model.
        name: What requests call it.
        index: What is searched; None for a model alone.
        query_prompt: Put before what is searched for, in place of the model's prompt.
        reranker: Scores in the model's place where documents are ranked.
        writable: Whether documents may be added and taken out.
        pictures: The folder in which the pictures lie that documents are named after.
        limits: See `Limits`.
    """

    encoder: Any
    name: str
    index: Index | None = None
    query_prompt: str | None = None
    reranker: Reranker | None = None
    writable: bool = False
    pictures: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.index is not None:
            self.index.check(self.encoder)
            if self.writable:
                self.index.check_writable()
                if self.index.metadata.get("passages"):
                    fix = "leave out --writable, and add with counterpoint index --add"
                    raise InputError("an index of passages is not written to by requests", fix=fix)
        elif self.writable or self.pictures is not None:
            raise InputError("there is no index to write to or to show pictures of", fix="serve an index")
        self.created = int(time.time())
        self.metrics = Metrics()
        self._fingerprint = fingerprint(self.encoder)
        self._pool = ThreadPoolExecutor(_THREADS, "counterpoint-search")
        self._writer = ThreadPoolExecutor(1, "counterpoint-writing")
        self._pending = 0
        limits = self.limits
        bounds: dict[str, Any] = {"most": limits.batch, "wait": limits.wait / 1000, "room": limits.queue}
        self._vectors = Batcher(encoding(self.encoder), told=self.metrics.batch, **bounds)
        self._scores = None if self.reranker is None else Batcher(_scoring(self.reranker), **bounds)
        self.metrics.gauge("queue_texts", "Texts that wait to be encoded.", lambda: self._vectors.waiting)
        self.metrics.gauge("index_requests", "Searches and writes at work or waiting.", lambda: self._pending)

    @property
    def dim(self) -> int:
        """Of the model's vectors."""
        return int(self.encoder.dim)

    def reads(self, kind: Kind) -> bool:
        """Whether the model takes texts of a kind."""
        return text_tower(self.encoder, kind) is not None

    def warm(self) -> None:
        """Whatever would make the first request slow."""
        if self.reads("query"):
            encoding(self.encoder)(Asked("query"), ["a"])
        if self.index is not None:
            self.index.describe_words()

    def close(self) -> None:
        """Finish what was begun, and let go of all."""
        for batcher in (self._vectors, self._scores):
            if batcher is not None:
                batcher.close()
        for pool in (self._pool, self._writer):
            pool.shutdown()
        if self.index is not None:
            self.index.close()

    async def encode(self, texts: Sequence[str], asked: Asked) -> list[Encoded]:
        """A vector each.

        Raises:
            InputError: The model does not take texts, or has no shorter vectors.
            Full: Too much is queued.
        """
        tower = text_tower(self.encoder, asked.kind)
        if tower is None:
            raise InputError("the model takes no texts", fix="ask for the neighbours of a document instead")
        if asked.dim is not None and not isinstance(tower, TextEncoder):
            raise InputError("the model's vectors have one length", fix="leave dimensions out")
        return await self._vectors(texts, asked)

    async def relevance(self, query: str, documents: Sequence[str]) -> tuple[list[float], int]:
        """How relevant each document is to a query, by the reranker or else by vectors, and the tokens that took."""
        if self._scores is not None:
            return [float(score) for score in await self._scores([(query, text) for text in documents])], 0
        asked, given = await asyncio.gather(
            self.encode([query], Asked("query")), self.encode(documents, Asked("document"))
        )
        metric: Metric = getattr(self.encoder, "similarity", "cosine")
        keys = np.stack([one.vector for one in given])
        (rows,) = score_rows(asked[0].vector[None], keys, metric=metric)
        return rows.scores_bm[0].tolist(), sum(one.tokens for one in (*asked, *given))

    async def search(
        self, query: str, k: int, offset: int, mode: str, where: Sequence[str], fusion: Fusion
    ) -> tuple[list[Hit], bool]:
        """The `k` best after the first `offset`, and whether there are more.

        Raises:
            InputError: A page beyond the last that there is, a condition that is not understood, or a fusion of what
                is not fused.
            Full: Too much is asked at a time.
        """
        index = self._index()
        last = FUSED if mode == "hybrid" else DEEPEST
        if offset + k > last:
            deeper = ", or mode dense, which goes deeper" if mode == "hybrid" else ""
            raise InputError(f"{mode} search ends at place {last:,}", fix=f"ask for smaller k and offset{deeper}")
        if fusion != "ranks" and mode != "hybrid":
            raise InputError(f"fusion {fusion} with mode {mode}, which fuses nothing", fix="leave out one of the two")
        asked = Asked("query", self.query_prompt, index.metadata.get("dim"), index.several)
        z = _together(await self.encode([query], asked), index.several)
        depth, conditions = min(offset + k + 1, last), list(where) or None

        def nearest(depth: int) -> list[Hit]:
            depth = min(depth, last)
            if mode == "hybrid":
                return index.hybrid([query], z, depth, where=conditions, depth=FUSED, by=fusion)[0]
            return index.search(z, depth, where=conditions)[0]

        def work() -> list[Hit]:
            self._check()
            if not index.metadata.get("passages"):
                return nearest(depth)
            # a document once, by its best passage, whose own id leads to its neighbours
            return [replace(hit, id=f"{hit.id}#{hit.columns[PASSAGE]}") for hit in best_passages(nearest, depth)]

        hits = await self.within(work)
        return hits[offset : offset + k], len(hits) > offset + k

    async def near(self, name: str, k: int) -> list[Hit] | None:
        """The documents that are nearest to one; None if there is no such."""
        index = self._index()

        def work() -> list[Hit] | None:
            if index.get([name]) == [None]:
                return None
            hits = index.search(index.vectors([name]), k + 1)[0]
            return [hit for hit in hits if hit.id != name][:k]

        return await self.within(work)

    async def add(self, ids: Sequence[str], texts: Sequence[str], columns: Sequence[dict[str, Any]]) -> tuple[int, int]:
        """Add documents, or replace those with the same ids; how many were replaced, and how many there are now.

        When this returns, they are on the disk.
        """
        index = self._index()
        metadata = index.metadata
        asked = Asked("document", metadata.get("prompt"), metadata.get("dim"), index.several)
        z = _together(await self.encode(texts, asked), index.several)
        names = sorted({name for one in columns for name in one})
        values = {name: [one.get(name) for one in columns] for name in names}

        def work() -> tuple[int, int]:
            self._check()
            replaced = sum(one is not None for one in index.get(ids))
            index.add(ids, texts, z, columns=values)
            return replaced, len(index)

        return await self.within(work, self._writer)

    async def delete(self, name: str) -> bool:
        """Take a document out; whether there was one."""
        index = self._index()
        return await self.within(lambda: index.delete([name]) > 0, self._writer)

    async def within(self, work: Callable[[], T], pool: ThreadPoolExecutor | None = None) -> T:
        """Do this in a thread; one thread writes, so that writes come one after another.

        Raises:
            Full: Too many wait already.
        """
        if self._pending >= _WAITING:
            raise Full(f"{self._pending} searches are waiting already", fix="ask again in a while")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool or self._pool, work)
        finally:
            self._pending -= 1

    def _index(self) -> Index:
        if self.index is None:
            raise InputError("this server has a model and no index", fix="serve an index to search")
        return self.index

    def _check(self) -> None:
        """Whether the index is still of this model: another process may have built it again."""
        index = self._index()
        if index.fingerprint not in ("", self._fingerprint):
            raise InputError("the index was built again with another model", file=index.folder, fix="start again")


def _together(found: Sequence[Encoded], several: bool) -> Float[np.ndarray, "n d"] | Ragged:
    """As an index takes them."""
    vectors = [one.vector for one in found]
    if several:
        return Ragged(np.concatenate(vectors), np.cumsum([0, *map(len, vectors)]))
    return np.stack(vectors)


def _scoring(reranker: Reranker) -> Callable[[Any, list[tuple[str, str]]], list[float]]:
    def work(_: Any, pairs: list[tuple[str, str]]) -> list[float]:
        queries, documents = zip(*pairs, strict=True)
        scores: list[float] = np.asarray(reranker.score(list(queries), list(documents)), np.float64).tolist()
        if not np.isfinite(scores).all():
            raise InputError("gave a score that is not finite", file="the reranker", fix="use another")
        return scores

    return work
