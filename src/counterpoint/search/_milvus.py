"""One collection of documents in Milvus: a local file (Milvus Lite) or a cluster, by the same client."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from counterpoint.errors import InputError, MissingExtra
from counterpoint.search.exact import Metric

LIMIT = 65_535  # bytes in a Milvus VARCHAR
DEEPEST = 16_384  # results Milvus gives for one query
_ROWS, _BYTES = 1000, 16 << 20  # most in one insert; a cluster refuses messages above 64 MB
_opened: Counter[Path] = Counter()  # Milvus Lite files open in this process


class Collection:
    """Documents with their vectors in Milvus. Every error of Milvus comes out as an `InputError`.

    Args:
        uri: A path (Milvus Lite) or the address of a cluster ("http://host:19530").
        name: The collection.
        metric: How to compare. For "cosine" unit vectors are stored and compared by inner product, so a
            zero vector has cosine 0, as everywhere in Counterpoint.
        token: For a cluster, "user:password" or an API key.
        folder: What to call a local file in a message.
    """

    def __init__(
        self, uri: str | Path, name: str, metric: Metric, *, token: str = "", folder: Path | None = None
    ) -> None:
        self.where, self.name, self.metric = folder or uri, name, metric
        self._file = uri.resolve() if isinstance(uri, Path) else None
        pymilvus = _import()
        with self._errors():
            address = _serve(self._file, self.where) if self._file else str(uri)
            # a proxy that the environment names must not come between this process and itself
            options = {"grpc_options": {"grpc.enable_http_proxy": 0}} if self._file else {}
            try:
                self._client = pymilvus.MilvusClient(uri=address, token=token, **options)
            except BaseException:
                self._release()
                raise

    def _release(self) -> None:
        if self._file and _opened[self._file] > 0:
            _opened[self._file] -= 1
            if not _opened[self._file]:
                from milvus_lite import server_manager_instance

                server_manager_instance.release_server(str(self._file))
        self._file = None

    def close(self) -> None:
        """Close the connection; the last one to a file also ends the thread that serves it."""
        with self._errors():
            self._client.close()
            self._release()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        pymilvus = _import()
        with _quiet():
            try:
                yield
            except pymilvus.exceptions.MilvusException as error:
                reason = " ".join(str(error.message).split()) or type(error).__name__
                if "No space left" in reason:
                    raise InputError(
                        "no space left on the disk, nothing was written",
                        file=str(self.where),
                        fix="free some space or choose another folder",
                    ) from error
                raise InputError(
                    f"Milvus answered: {reason}",
                    file=str(self.where),
                    fix="build the index again"
                    if isinstance(self.where, Path)
                    else "check the address, the token and the collection",
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

    def write(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        vectors_nd: np.ndarray,
        *,
        replace: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Insert, or with `replace` insert or overwrite, in batches; then flush once."""
        stored = [_cut(text) for text in texts]
        widest = 4 * vectors_nd.shape[1] + max(len(text.encode()) for text in stored)
        step = max(1, min(_ROWS, _BYTES // widest))
        for start in range(0, len(ids), step):
            part = slice(start, start + step)
            rows = [
                {"key": _key(name), "id": name, "text": text, "vector": vector}
                for name, text, vector in zip(ids[part], stored[part], self._vectors(vectors_nd[part]), strict=True)
            ]
            with self._errors():
                (self._client.upsert if replace else self._client.insert)(self.name, rows)
            if progress:
                progress(min(start + step, len(ids)), len(ids))
        with self._errors():
            self._client.flush(self.name)

    def _vectors(self, vectors_nd: np.ndarray) -> np.ndarray:
        vectors_nd = np.array(vectors_nd, dtype=np.float32)
        if self.metric == "cosine":
            # the same floor as torch's normalize
            vectors_nd /= np.linalg.norm(vectors_nd, axis=1, keepdims=True).clip(1e-12)
        return vectors_nd

    def delete(self, ids: Sequence[str]) -> None:
        """Remove documents; an unknown id is ignored."""
        with self._errors():
            for start in range(0, len(ids), _ROWS):
                self._client.delete(self.name, ids=[_key(i) for i in ids[start : start + _ROWS]])
            self._client.flush(self.name)

    def count(self) -> int:
        """How many documents there are."""
        with self._errors():
            answer = self._client.query(self.name, filter="", output_fields=["count(*)"], consistency_level="Strong")
            return int(answer[0]["count(*)"])

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """The stored text of each of `ids` that there is."""
        with self._errors():
            rows = self._client.get(self.name, ids=[_key(name) for name in ids], output_fields=["id", "text"])
            return {row["id"]: row["text"] for row in rows}

    def all_texts(self) -> dict[str, str]:
        """Every id and text, in order of the ids."""
        found: dict[str, str] = {}
        with self._errors():
            rows = self._client.query_iterator(self.name, batch_size=_ROWS, output_fields=["id", "text"])
            while batch := rows.next():
                found |= {row["id"]: row["text"] for row in batch}
            rows.close()
        return dict(sorted(found.items()))

    def search(self, queries_nd: np.ndarray, k: int) -> list[list[tuple[str, float, str]]]:
        """The `k` best (id, score, text) of every query; a higher score is closer, ties by id."""
        found: list[list[tuple[str, float, str]]] = []
        for start in range(0, len(queries_nd), 256):
            queries = self._vectors(queries_nd[start : start + 256])
            with self._errors():
                answers = self._client.search(
                    self.name,
                    data=list(queries),
                    limit=k,
                    output_fields=["id", "text"],
                    consistency_level="Strong",
                )
            found += [sorted((self._hit(hit) for hit in hits), key=lambda hit: (-hit[1], hit[0])) for hits in answers]
        return found

    def _hit(self, hit: dict[str, Any]) -> tuple[str, float, str]:
        score = float(hit["distance"])
        if self.metric == "euclidean":  # Milvus gives the squared distance
            score = -(max(score, 0.0) ** 0.5)
        return hit["entity"]["id"], score, hit["entity"]["text"]


def is_open(file: Path) -> bool:
    """Whether this process has the Milvus Lite file open."""
    return _opened[file.resolve()] > 0


def _serve(file: Path, where: str | Path) -> str:
    """Open a Milvus Lite file, served by a thread of this process; gives its address."""
    try:
        from milvus_lite import DataDirLockedError, MilvusLite, server_manager_instance
    except ImportError as error:
        raise MissingExtra("milvus-lite", extra="search") from error
    address: str | None = server_manager_instance.start_and_get_uri(str(file))
    if address is None:
        # the manager logs why and gives nothing; opening the file directly says it
        try:
            MilvusLite(str(file)).close()
            reason = "its server does not start"
        except DataDirLockedError as error:
            raise InputError(
                "the index is open in another process",
                file=where,
                fix="end that one first; for many readers at once use a Milvus cluster (uri=)",
            ) from error
        except Exception as error:
            reason = str(error)
        raise InputError(f"the index cannot be opened ({reason})", file=where, fix="build it again")
    _opened[file] += 1
    return address


def _import() -> Any:
    try:
        import pymilvus
    except ImportError as error:
        raise MissingExtra("pymilvus", extra="search") from error
    return pymilvus


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """These log every error with its traceback; here errors are raised as one sentence instead."""
    loggers = [logging.getLogger(name) for name in ("pymilvus", "milvus_lite", "grpc")]
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
