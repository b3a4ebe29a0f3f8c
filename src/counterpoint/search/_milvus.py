"""One collection of documents in a Milvus cluster, by its address."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from counterpoint.errors import InputError, MissingExtra
from counterpoint.search import _folder
from counterpoint.search._given import LIMIT, Columns, Embeddings
from counterpoint.search._segments import comparable
from counterpoint.search._where import Kind, Kinds, Where, conditions, to_milvus
from counterpoint.search.exact import Metric
from counterpoint.search.hit import Document, Hit

T = TypeVar("T")

DEEPEST = 16_384  # results Milvus gives for one query
_ROWS, _BYTES = 1000, 16 << 20  # most in one insert; a cluster refuses messages above 64 MB
_FIELDS = ["id", "text", "columns"]


class Collection:
    """Documents with their vectors in Milvus. Every error of Milvus comes out as an `InputError`.

    Args:
        uri: The address of a cluster ("http://host:19530").
        name: The collection.
        metric: How to compare. For "cosine" unit vectors are stored and compared by inner product, so a
            zero vector has cosine 0, as everywhere in Counterpoint.
        token: "user:password" or an API key.
        folder: The index's.
        kinds: Gives the kinds of values that each column has.
    """

    def __init__(
        self, uri: str, name: str, metric: Metric, *, token: str = "", folder: Path, kinds: Callable[[], Kinds] = dict
    ) -> None:
        self.where, self.name, self.metric, self.folder, self._kinds = uri, name, metric, folder, kinds
        pymilvus = _import()
        with self._errors():
            self._client = pymilvus.MilvusClient(uri=uri, token=token)

    def close(self) -> None:
        """Close the connection."""
        with self._errors():
            self._client.close()

    def read(self, work: Callable[[Collection], T]) -> T:
        """What `work` finds in the documents."""
        return work(self)

    @property
    def version(self) -> int:
        """What tells states apart; of what others write, only that their number changes."""
        return len(self)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        pymilvus = _import()
        with _quiet():
            try:
                yield
            except pymilvus.exceptions.MilvusException as error:
                reason = " ".join(str(error.message).split()) or type(error).__name__
                raise InputError(
                    f"Milvus answered: {reason}", file=self.where, fix="check the address, the token and the collection"
                ) from error

    def create(self, dim: int) -> None:
        """Make the collection, empty, with an exact index (FLAT)."""
        from pymilvus import DataType

        with self._errors():
            schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
            # the key is a hash of the id: ids may hold quotes, which break Milvus's filters
            schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=32)
            schema.add_field("id", DataType.VARCHAR, max_length=LIMIT)
            schema.add_field("text", DataType.VARCHAR, max_length=LIMIT)
            schema.add_field("columns", DataType.JSON)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
            index = self._client.prepare_index_params()
            kind = "L2" if self.metric == "euclidean" else "IP"
            index.add_index("vector", index_type="FLAT", metric_type=kind)
            self._client.create_collection(self.name, schema=schema, index_params=index)

    def load(self) -> bool:
        """Make the collection ready to search; False if it is not there."""
        with self._errors():
            if not self._client.has_collection(self.name):
                return False
            self._client.load_collection(self.name)
            return True

    def drop(self) -> None:
        """Remove the collection."""
        with self._errors():
            self._client.drop_collection(self.name)

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors_nd: np.ndarray,
        columns: Columns,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Insert or overwrite, in batches; then flush once."""
        stored = [_cut(text) for text in texts]
        cut = sum(len(a) < len(b) for a, b in zip(stored, texts, strict=True))
        if cut:
            warnings.warn(f"{cut:,} texts were cut to {LIMIT:,} bytes, which is what Milvus holds", stacklevel=4)
        widest = 4 * vectors_nd.shape[1] + max(len(text.encode()) for text in stored)
        step = max(1, min(_ROWS, _BYTES // widest))
        for start in range(0, len(ids), step):
            part = slice(start, start + step)
            cells = [
                {name: value for name, value in zip(columns, row, strict=True) if value is not None}
                for row in zip(*(values[part] for values in columns.values()), strict=True)
            ] or [{} for _ in ids[part]]
            z = comparable(vectors_nd[part], self.metric, "embeddings", start)
            rows = [
                {"key": _key(name), "id": name, "text": text, "columns": held, "vector": vector}
                for name, text, held, vector in zip(ids[part], stored[part], cells, z, strict=True)
            ]
            with self._errors():
                self._client.upsert(self.name, rows)
            if progress:
                progress(min(start + step, len(ids)), len(ids))
        with self._errors():
            self._client.flush(self.name)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents, an unknown id is ignored; how many there were."""
        before = len(self)
        with self._errors():
            for start in range(0, len(ids), _ROWS):
                self._client.delete(self.name, ids=[_key(i) for i in ids[start : start + _ROWS]])
            self._client.flush(self.name)
        return before - len(self)

    def __len__(self) -> int:
        with self._errors():
            answer = self._client.query(self.name, filter="", output_fields=["count(*)"], consistency_level="Strong")
            return int(answer[0]["count(*)"])

    def get(self, ids: Sequence[str]) -> dict[str, Document]:
        """Those of `ids` that there are."""
        found: dict[str, Document] = {}
        with self._errors():
            for start in range(0, len(ids), _ROWS):
                keys = [_key(name) for name in ids[start : start + _ROWS]]
                rows = self._client.get(self.name, ids=keys, output_fields=_FIELDS)
                found |= {row["id"]: Document(row["id"], row["text"], dict(row["columns"])) for row in rows}
        return found

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Those of `ids` that there are, as they are compared."""
        with self._errors():
            rows = self._client.get(self.name, ids=[_key(name) for name in ids], output_fields=["id", "vector"])
            return {row["id"]: np.array(row["vector"], dtype=np.float32) for row in rows}

    @property
    def kinds(self) -> Kinds:
        """The kinds of values of each column."""
        return self._kinds()

    def names(self, where: Where | None = None) -> list[str]:
        """The ids of all documents that pass, in order of the ids."""
        return sorted(row["id"] for row in self._all(["id"], self._filter(where)))

    def texts(self) -> dict[str, str]:
        """Every id and text, in order of the ids."""
        return dict(sorted((row["id"], row["text"]) for row in self._all(["id", "text"], "")))

    def _all(self, fields: list[str], expression: str) -> Iterator[dict[str, Any]]:
        with self._errors():
            rows = self._client.query_iterator(
                self.name, batch_size=_ROWS, filter=expression, output_fields=fields, consistency_level="Strong"
            )
            while batch := rows.next():
                yield from batch
            rows.close()

    def _filter(self, where: Where | None) -> str:
        return " and ".join(to_milvus(c, "columns") for c in conditions(where, self._kinds() if where else {}))

    def search(
        self, queries_nd: Embeddings, k: int, where: Where | None, also: Sequence[Sequence[str]] = ()
    ) -> list[list[Hit]]:
        """The `k` closest of every query among those that pass `where`; ties by id."""
        del also  # for several vectors a document
        assert isinstance(queries_nd, np.ndarray)
        if k > DEEPEST:
            raise InputError(f"k is {k:,}", fix=f"a Milvus cluster gives at most {DEEPEST:,}")
        expression = self._filter(where)
        found: list[list[Hit]] = []
        for start in range(0, len(queries_nd), 256):
            queries = comparable(queries_nd[start : start + 256], self.metric, "queries", start)
            with self._errors():
                answers = self._client.search(
                    self.name,
                    data=list(queries),
                    limit=k,
                    filter=expression,
                    output_fields=_FIELDS,
                    consistency_level="Strong",
                )
            found += [
                sorted((self._hit(hit) for hit in hits), key=lambda hit: (-hit.score, hit.id)) for hits in answers
            ]
        return found

    def _hit(self, hit: dict[str, Any]) -> Hit:
        score, entity = float(hit["distance"]), hit["entity"]
        if self.metric == "euclidean":  # Milvus gives the squared distance
            score = -(max(score, 0.0) ** 0.5)
        return Hit(entity["id"], score, entity["text"], dict(entity["columns"]))


def connect(folder: Path, about: Mapping[str, Any], token: str) -> Collection:
    """The collection of an index."""

    def kinds() -> dict[str, frozenset[Kind]]:
        return {name: frozenset(held) for name, held in _folder.read(folder)["columns"].items()}

    return Collection(about["uri"], about["collection"], about["metric"], token=token, folder=folder, kinds=kinds)


def fill(
    folder: Path,
    about: Mapping[str, Any],
    token: str,
    ids: Sequence[str],
    texts: Sequence[str],
    embeddings: np.ndarray,
    columns: Columns,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Make a collection and write to it; it is dropped again if that fails."""
    with contextlib.closing(connect(folder, about, token)) as collection:
        try:
            collection.create(about["dim"])
            collection.add(ids, texts, embeddings, columns, progress)
        except BaseException:
            collection.drop()
            raise


def _import() -> Any:
    try:
        import pymilvus
    except ImportError as error:
        raise MissingExtra("pymilvus", extra="search") from error
    return pymilvus


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """These log every error with its traceback; here errors are raised as one sentence instead."""
    loggers = [logging.getLogger(name) for name in ("pymilvus", "grpc")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _key(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def _cut(text: str) -> str:
    """What of a text fits in a Milvus field: its first 65,535 bytes, whole characters."""
    return text.encode()[:LIMIT].decode(errors="ignore")
