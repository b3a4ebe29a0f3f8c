"""A searchable folder: documents, their vectors, columns to filter by, and BM25 beside them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float

from counterpoint.errors import InputError, refuse_string
from counterpoint.precision import Precision
from counterpoint.search import _folder, _given
from counterpoint.search._building import describe, put_in_place
from counterpoint.search._given import Columns, Embeddings
from counterpoint.search._graph import wanted
from counterpoint.search._lexical import Words, by_both, forget, words_of
from counterpoint.search._milvus import Collection, connect
from counterpoint.search._store import Store
from counterpoint.search._view import View
from counterpoint.search._where import Kind, Where
from counterpoint.search._writing import Progress
from counterpoint.search.exact import Metric, index_metric
from counterpoint.search.fusion import Fusion
from counterpoint.search.hit import Document, Hit
from counterpoint.search.language import check_language

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder


class Index:
    """Documents that can be searched by vector, and by vector and words together.

    Made by `Index.build`, opened by `Index.open`; close it, or use it in a `with`. Search is exact, unless `build` was
    asked for `approximate` or "binary". The folder holds `index.json` (metric, dimensions, the model) and, if documents
    are in no Milvus cluster, a folder of data: ids, texts and columns in SQLite, vectors in mapped files, and BM25.

    Any number of processes and threads may read while one writes; a second writer waits. A reader sees every write that
    was done before its call, whole or not at all, also after a kill. In a read-only place all but writing works.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "index"
        >>> z_nd = np.eye(3, dtype=np.float32)
        >>> texts = ["a cat sleeps", "a dog barks", "rain falls"]
        >>> with Index.build(folder, ["a", "b", "c"], texts, z_nd, columns={"legs": [4, 4, 0]}) as index:
        ...     index.search(z_nd[1:2], k=1)
        [[Hit(id='b', score=1.0, text='a dog barks', columns={'legs': 4})]]
        >>> with Index.open(folder) as index:
        ...     [hit.id for hit in index.hybrid(["sleeping cats"], z_nd[1:2], k=2)[0]]
        ...     [hit.id for hit in index.search(z_nd[1:2], where=["legs < 4"])[0]]
        ['a', 'b']
        ['c']
    """

    def __init__(self, folder: Path, store: Store | Collection) -> None:
        self.folder, self._store = folder, store
        self._words_kept: Words | None = None
        self._words_lock = threading.Lock()

    @classmethod
    def build(
        cls,
        folder: str | os.PathLike[str],
        ids: Sequence[str],
        texts: Sequence[str],
        embeddings: Embeddings,
        *,
        columns: Columns | None = None,
        encoder: TextEncoder | None = None,
        metric: Metric | None = None,
        metadata: Mapping[str, Any] | None = None,
        language: str = "auto",
        precision: Precision = "float32",
        approximate: bool | None = None,
        uri: str = "",
        token: str = "",
        progress: Progress | None = None,
    ) -> Index:
        """Index documents; what was in `folder` is replaced when, and only when, the new index is whole.

        Args:
            folder: Where to; absent, empty, or an index.
            ids: One a document, all different, not empty.
            texts: What is shown and what words are searched in.
            embeddings: One row a document, finite; a `csr_array` is kept without zeros; or several each, as float16.
            columns: What else is known of the documents: comes back with a hit and can be filtered by.
            encoder: What made the embeddings. Its fingerprint is kept, and `check` refuses another.
            metric: How queries will be compared; as the encoder says (`index_metric`), by default.
            metadata: Anything JSON can hold; by convention `model` (path or name), and `prompt` and `dim`, if the
                documents were encoded with a prompt or dimensions other than the model's.
            language: Of the texts, for BM25's stems (see `BM25`).
            precision: How the folder keeps vectors: "float32"; "int8" codes, with ranges fitted on these embeddings
                (search is exact over what they stand for, see `int8_search`); or "binary", for the cosine: bits beside
                the codes (the codes of the 16 k nearest by bits are compared with, see `binary_search`).
            approximate: Find most of the nearest documents without comparing with all (`recall` says how many); by
                default from a million documents, if usearch is installed. What a filter leaves is always compared with.
            uri: A Milvus cluster ("http://host:19530"); the folder itself if not given. A cluster holds ids and
                texts of at most 65,535 bytes; longer texts are cut there, with a warning.
            token: For a cluster, "user:password" or an API key; it is not written to the folder.
            progress: Called with how many documents are written and how many there are.

        Raises:
            InputError: Any of the above does not hold, the folder holds something else, the disk is full, or the
                cluster does not answer.
            MissingExtra: `uri` or `approximate` is given and the extra `search` is not installed.
        """
        folder, columns = Path(folder), _given.plain_columns(columns)
        z_nd, several = _given.parted(embeddings)
        metric = metric or index_metric(encoder)
        _given.check_given(ids, texts, z_nd, columns, uri)
        form: dict[str, Any] = {"metric": metric, "precision": precision, "approximate": approximate, "uri": uri}
        form |= {"several": several is not None, "sparse": not isinstance(z_nd, np.ndarray)}
        cls.check_folder(folder, language=language, **form)
        model = "" if encoder is None else _given.fingerprint_of(encoder)
        about = describe(z_nd, columns, metric, model, language, approximate, precision, uri, several, metadata)
        put_in_place(folder, about, token, ids, texts, z_nd, columns, progress, several)
        index = cls.open(folder, token=token)
        index._store.read(index._words)
        return index

    @staticmethod
    def check_folder(
        folder: str | os.PathLike[str],
        *,
        source: str | os.PathLike[str] | None = None,
        language: str = "auto",
        metric: str = "cosine",
        precision: str = "float32",
        approximate: bool | None = None,
        uri: str = "",
        several: bool = False,
        sparse: bool = False,
    ) -> None:
        """Whether `build` may write to a folder, to be asked before documents are read and encoded.

        Args:
            folder: The index to be.
            source: Where the documents are read from.
            language: As `build` will be given it; the others, too.
            metric: How queries will be compared.
            precision: How vectors will be kept.
            approximate: Whether search will be approximate.
            uri: Where a cluster is.
            several: Whether documents have several vectors.
            sparse: Whether vectors are kept without their zeros.

        Raises:
            InputError: It holds something else, is a file, or may not be written to, or `build` refuses the others.
            MissingExtra: An approximate index is asked for and usearch is not installed.
        """
        check_language(language)
        _given.check_form(precision, metric, approximate, uri, several, sparse)
        wanted(None if uri else approximate, 0)
        _folder.check(Path(folder), source)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, encoder: TextEncoder | None = None, token: str = "") -> Index:
        """Open what `build` made.

        Args:
            folder: The index.
            encoder: What queries and new documents will be encoded with: refused if it is not the index's.
            token: For a cluster.

        Raises:
            InputError: There is no index, it is not whole, another model made it, or the cluster does not answer.
        """
        folder = Path(folder)
        about = _folder.read(folder)
        index = cls(folder, connect(folder, about, token) if about["uri"] else Store(folder))
        try:
            if isinstance(index._store, Collection) and not index._store.load():
                raise InputError(
                    f"the index is not whole: no collection {about['collection']}", file=folder, fix="build it again"
                )
            if encoder is not None:
                index.check(encoder)
            return index
        except BaseException:
            index.close()
            raise

    def close(self) -> None:
        """Close it; closing twice is fine."""
        self._store.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._store.read(len)

    @property
    def _about(self) -> dict[str, Any]:
        return self._store.about if isinstance(self._store, Store) else _folder.read(self.folder)

    @property
    def metric(self) -> Metric:
        """ "cosine", "dot" or "euclidean"."""
        return cast("Metric", self._about["metric"])

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return int(self._about["dim"])

    @property
    def precision(self) -> Precision:
        """ "float32", "int8" or "binary": how the vectors are kept."""
        return cast("Precision", self._about["precision"])

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors; without zeros, or of several each, also of those gone, until files are merged."""
        return self._store.read(lambda view: view.nbytes if isinstance(view, View) else 4 * self.dim * len(view))

    @property
    def several(self) -> bool:
        """Whether documents have several vectors each."""
        return bool(self._about["several"])

    @property
    def sparse(self) -> bool:
        """Whether vectors are kept without their zeros."""
        return bool(self._about["sparse"])

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given to `build`."""
        return cast("dict[str, Any]", self._about["metadata"])

    @property
    def recall(self) -> float | None:
        """Recall@10 of an approximate index, measured when it was built; None where search is exact."""
        return self._store.read(lambda view: view.recall if isinstance(view, View) else None)

    @property
    def columns(self) -> dict[str, frozenset[Kind]]:
        """What can be filtered by, and the kinds of its values: "text", "number", "bool"."""
        return dict(self._store.read(lambda view: view.kinds))

    @property
    def fingerprint(self) -> str:
        """Of the model that made it (`counterpoint.encoders.fingerprint`); "" if `build` was given none."""
        return str(self._about["fingerprint"])

    def check(self, encoder: TextEncoder) -> None:
        """Refuse an encoder that is not the one that made the index, whatever its dimensions.

        Raises:
            InputError: Its fingerprint is another. An index that was built without an encoder has none to compare.
        """
        _given.check_model(encoder, self._about, self.folder)

    def check_writable(self) -> None:
        """Refuse (`InputError`) a place that this process may not write to, before documents are encoded."""
        if isinstance(self._store, Store):
            self._store.check_writable()

    def get(self, ids: Sequence[str]) -> list[Document | None]:
        """The documents of these ids, None for one that is not there.

        Raises:
            InputError: `ids` is one string or holds no texts.
        """
        _given.check_ids(ids)
        found = self._store.read(lambda view: view.get(ids))
        return [found.get(name) for name in ids]

    def vectors(self, ids: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """The vectors of these documents as they are compared: of length 1 for the cosine, restored from their codes.

        Raises:
            InputError: One of them is not in the index, or `ids` is one string.
        """
        _given.check_ids(ids)
        found = self._store.read(lambda view: view.vectors(ids))
        if missing := [name for name in ids if name not in found]:
            raise InputError(f"there is no document {missing[0]!r}", file=self.folder, fix="give ids of the index")
        return np.stack([found[name] for name in ids]) if ids else np.empty((0, self.dim), np.float32)

    def search(self, queries_nd: Embeddings, k: int = 10, *, where: Where | None = None) -> list[list[Hit]]:
        """The `k` documents closest to every query, best first; fewer if there are fewer.

        Scores are as in `exact_search`: cosine, inner product or negative distance (with means, where documents have
        several vectors). Of several a query they are as in `maxsim`, of the 1,000 documents whose means are closest.

        Args:
            queries_nd: One row a query, from the model that made the index; or several, if documents have.
            k: 1 or more.
            where: What the documents' columns must be, all of it: "lang = en", "year >= 1990", "lang in en, de", or
                as tuples, `("year", ">=", 1990)`. The operators are = != < <= > >= in. A document without a value
                in a column passes no condition on it.

        Raises:
            InputError: Another number of dimensions, values that are not finite, `k` out of range, an unknown
                column, or a value of another kind than the column's.
        """

        def work(view: View | Collection) -> list[list[Hit]]:
            return view.search(_given.checked_queries(queries_nd, k, self._about, self.folder), k, where)

        return self._store.read(work)

    def hybrid(
        self,
        queries: Sequence[str],
        queries_nd: Embeddings,
        k: int = 10,
        *,
        where: Where | None = None,
        depth: int = 100,
        weights: tuple[float, float] = (1.0, 1.0),
        by: Fusion = "ranks",
    ) -> list[list[Hit]]:
        """Search by vector and by words (BM25), fused as `fuse_runs` does; scores are the fused ones.

        Args:
            queries: The texts.
            queries_nd: Their vectors, in the same order.
            k: How many to return, 1 or more.
            where: As in `search`.
            depth: How many of each kind to fuse.
            weights: Of the vectors and of the words.
            by: What is fused: reciprocal "ranks", or "scores".

        Raises:
            InputError: As `search`, other numbers of texts and vectors, or no such fusion.
        """
        refuse_string(queries, "queries")
        if len(queries) != len(queries_nd):
            raise InputError(f"{len(queries)} texts and {len(queries_nd)} vectors", fix="give one vector for each")

        def work(view: View | Collection) -> list[list[Hit]]:
            z = _given.checked_queries(queries_nd, k, self._about, self.folder)
            words = self._words(view) if queries and len(view) else None
            return by_both(view, words, queries, z, k, where, depth, weights, by)

        return self._store.read(work)

    def add(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        embeddings: Embeddings,
        *,
        columns: Columns | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Add documents; one whose id is there already is replaced, with all its columns.

        When it returns, the documents are on the disk. BM25 is brought up to date when next used.

        Raises:
            InputError: As `build`, another number of dimensions, the place is read-only, or another process keeps
                writing.
        """
        about, columns = self._about, _given.plain_columns(columns)
        z_nd, several = _given.parted(embeddings, sparse=self.sparse)
        _given.check_given(ids, texts, z_nd, columns, about["uri"])
        _given.check_added(z_nd, several is not None, about, self.folder)
        if isinstance(self._store, Store):
            self._store.add(ids, texts, z_nd, columns, progress, several)
        else:
            self._store.add(ids, texts, z_nd, columns, progress)
            forget(self.folder)
            self._words_kept = None
            _folder.write(self.folder, _given.with_columns(about, columns))

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; unknown ids are ignored. Returns how many were removed.

        Raises:
            InputError: `ids` is one string or no texts, the place is read-only, or another process keeps writing.
        """
        _given.check_ids(ids)
        removed = self._store.delete(list(dict.fromkeys(ids)))
        if isinstance(self._store, Collection):
            forget(self.folder)
            self._words_kept = None
        return removed

    def describe_words(self) -> str:
        """How BM25 takes the words of the documents, see `BM25.describe`."""
        return self._store.read(self._words).bm25.describe()

    def _words(self, view: View | Collection) -> Words:
        """The ids and the BM25 of the documents that `view` sees."""
        # threads that find none of a new state wait for the first to make it, and do not write one file together
        with self._words_lock:
            self._words_kept = words_of(view, self._about["language"], self._words_kept)
            return self._words_kept
