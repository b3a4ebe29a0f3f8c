"""Evaluate anything that encodes texts: the thin layer over the functions of embeddings and rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float, Int64

from counterpoint.data import Retrieval, TextData, all_labels, retrieval_from_pairs
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import Kind
from counterpoint.encoders.prompting import encode_prompted
from counterpoint.errors import InputError, refuse_string
from counterpoint.evaluate.bootstrap import SAMPLES
from counterpoint.evaluate.figures import Result
from counterpoint.evaluate.frozen import classification, clustering, similarity, sts
from counterpoint.evaluate.multilabel import multilabel_classification
from counterpoint.evaluate.places import Found, by_hash, own_documents, place, prepared
from counterpoint.evaluate.ranking import METRICS, evaluate_judged, parse_metric
from counterpoint.evaluate.verification import pair_classification
from counterpoint.search.exact import Metric, exact_search, score_rows


class Encodes(Protocol):
    """What an evaluation needs of an encoder."""

    def encode(
        self, texts: Sequence[str], *, kind: Literal["query", "document"] | None = None
    ) -> Float[np.ndarray, "n d"]:
        """One row a text; `kind` chooses the prompt."""
        ...


def encoded_in_full(
    encoder: Encodes, texts: Sequence[str], prompts: Sequence[str] | None = None, *, kind: Kind = None
) -> Float[np.ndarray, "n d"]:
    """Vectors in float32, as all figures are: bfloat16 would move them by some 0.0001, and on some processors only."""
    options = {"dtype": "float32"} if isinstance(encoder, TextEncoder) else {}
    return encode_prompted(encoder, texts, prompts or [""] * len(texts), kind=kind, **options)


def rank(encoder: Encodes, retrieval: Retrieval, k: int = 100, *, metric: Metric | None = None) -> dict[str, list[str]]:
    """Rank a test's documents for its queries by exact search: query id -> the `k` best document ids.

    Queries are encoded with `kind="query"`, after their own prompts if they have any, documents with
    `kind="document"`. Equal scores are in the order of a hash of the documents' texts, and a query that is a document
    does not find itself (see `prepared`). For figures, which give ties their expected value, use `evaluate_retrieval`.
    They are compared by `metric`, else by the encoder's own similarity, else by the cosine.

    Raises:
        InputError: No documents, or embeddings that are not finite.
    """
    corpus, itself = by_hash(retrieval.corpus), own_documents(retrieval)
    queries_nd, documents_md = _encoded(encoder, replace(retrieval, corpus=corpus))
    ids_nk, _ = exact_search(queries_nd, documents_md, k + bool(itself), metric=metric or similarity_of(encoder))
    ranked = named(ids_nk, list(retrieval.queries), list(corpus))
    return {q: [d for d in documents if d != q or q not in itself][:k] for q, documents in ranked.items()}


def place_encoded(
    encoder: Encodes, test: Retrieval, k: int = 0, *, metric: Metric | None = None
) -> tuple[Found, tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]]:
    """`place` with the scores of an encoder; and the embeddings of queries and documents."""
    z = _encoded(encoder, test)
    return place(score_rows(*z, metric=metric or similarity_of(encoder)), test, k), z


def similarity_of(encoder: object) -> Metric:
    """What an encoder's vectors are compared with: its own `similarity`, else the cosine.

    Examples:
        >>> from counterpoint.encoders import ImageEncoder
        >>> similarity_of(ImageEncoder(widths=(8,)))
        'cosine'
    """
    metric: Metric = getattr(encoder, "similarity", "cosine")
    return metric


def _encoded(encoder: Encodes, test: Retrieval) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    prompts = [test.prompts.get(query, "") for query in test.queries]
    queries_nd = encoded_in_full(encoder, list(test.queries.values()), prompts, kind="query")
    return queries_nd, encoded_in_full(encoder, list(test.corpus.values()), kind="document")


def named(ids_nk: Int64[np.ndarray, "n k"], queries: Sequence[str], documents: Sequence[str]) -> dict[str, list[str]]:
    """Row numbers to names: what `exact_search`, `BM25` and fusion give, as `evaluate_rankings` takes it.

    Args:
        ids_nk: Rows of `documents`, best first, -1 for none.
        queries: The name of each row of `ids_nk`.
        documents: The name of each document.

    Examples:
        >>> named(np.array([[1, -1], [0, 1]]), ["q", "r"], ["a", "b"])
        {'q': ['b'], 'r': ['a', 'b']}
    """
    refuse_string(queries, "queries")
    refuse_string(documents, "documents")
    return {query: [documents[i] for i in row if i >= 0] for query, row in zip(queries, ids_nk.tolist(), strict=True)}


def evaluate_retrieval(
    encoder: Encodes,
    retrieval: Retrieval,
    *,
    metrics: Sequence[str] = METRICS,
    metric: Metric | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Retrieval figures of an encoder on a test, by exact search; see `prepared`, `place` and `Judged` for ties.

    Args:
        encoder: What encodes.
        retrieval: The test.
        metrics: NAME@K each, as for `evaluate_rankings`.
        metric: How queries and documents are compared; by the encoder's own similarity if not given, else the cosine.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: As `rank`, or an unknown metric.

    Examples:
        >>> class Letters:
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        >>> test = Retrieval({"1": "aab", "2": "ccc"}, {"q": "c"}, {"q": {"2": 1.0}}, "memory")
        >>> evaluate_retrieval(Letters(), test)["mrr@10"].value
        1.0
    """
    refuse_string(metrics, "metrics")
    for name in metrics:  # before anything is encoded
        parse_metric(name)
    test, notes = prepared(retrieval)
    found, _ = place_encoded(encoder, test, metric=metric)
    return evaluate_judged(
        found.judged, metrics=metrics, source=retrieval.source, notes=notes, samples=samples, seed=seed
    )


def evaluate_sts(
    encoder: Encodes,
    data: TextData,
    *,
    metrics: Sequence[Metric] = ("cosine",),
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Correlation with people's scores on scored pairs; see `sts`.

    Raises:
        InputError: The data are not scored pairs, or all scores are the same: no correlation is defined.
    """
    return sts(*_scored(encoder, data), metrics=metrics, source=data.source, samples=samples, seed=seed)


def evaluate_pairs(encoder: Encodes, data: TextData, *, samples: int = SAMPLES, seed: int = 0) -> Result:
    """Pairs of which some are the same (score 1) and the others not (0), by the cosine; see `pair_classification`.

    Raises:
        InputError: The data are not scored pairs, or have other scores than 0 and 1, or one of these alone.
    """
    x, y, scores = _scored(encoder, data)
    if set(scores) != {0.0, 1.0}:
        raise InputError("scores other than 0 and 1", file=data.source, fix="give 1 for the same and 0 for others")
    same = np.array(scores) == 1
    return pair_classification(similarity(x, y), same, source=data.source, samples=samples, seed=seed)


def _scored(encoder: Encodes, data: TextData) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """The vectors of both sides, and the scores."""
    _need(data, "scored")
    if len({e.score for e in data.examples}) < 2:
        fix = "give scores that differ, or read them as pairs"
        raise InputError("all scores are the same", file=data.source, fix=fix)
    pairs = [(e.anchor, e.prompt, e.positives[0], e.score) for e in data.examples if e.score is not None]
    first, prompts, second, scores = zip(*pairs, strict=True)
    return encoded_in_full(encoder, first, prompts), encoded_in_full(encoder, second), scores


def evaluate_classification(
    encoder: Encodes,
    train: TextData,
    test: TextData,
    *,
    k: int = 10,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Result:
    """Neighbours and a linear probe on frozen embeddings of labelled texts; see `classification`.

    Raises:
        InputError: The data are not labelled texts, or the training labels are all the same.
    """
    train_nd, labels_n = _labelled(encoder, train)
    test_md, labels_m = _labelled(encoder, test)
    return classification(
        train_nd,
        labels_n,
        test_md,
        labels_m,
        k=k,
        source=test.source,
        samples=samples,
        seed=seed,
    )


def evaluate_multilabel(
    encoder: Encodes, train: TextData, test: TextData, *, k: int = 10, samples: int = SAMPLES, seed: int = 0
) -> Result:
    """Neighbours and a probe for each label on frozen embeddings; see `multilabel_classification`.

    Raises:
        InputError: The data are not labelled texts, or have no label.
    """
    for data in (train, test):
        _need(data, "labelled")
    embedded = [
        encoded_in_full(encoder, [e.anchor for e in data.examples], [e.prompt for e in data.examples])
        for data in (train, test)
    ]
    labels = [[all_labels(e) for e in data.examples] for data in (train, test)]
    return multilabel_classification(
        embedded[0], labels[0], embedded[1], labels[1], k=k, source=test.source, samples=samples, seed=seed
    )


def evaluate_clustering(encoder: Encodes, data: TextData, *, seeds: Sequence[int] = range(5)) -> Result:
    """k-means of labelled texts; see `clustering`.

    Raises:
        InputError: The data are not labelled texts, or the labels are all the same.
    """
    z_nd, labels_n = _labelled(encoder, data)
    return clustering(z_nd, labels_n, seeds=seeds, source=data.source)


def evaluate_any(
    encoder: Encodes,
    data: TextData | Retrieval,
    train: TextData | None = None,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> list[Result]:
    """Every evaluation the data allow: retrieval of a `Retrieval` or of pairs, STS, or classification and clustering.

    Scored pairs whose scores are 0 and 1 are classified (`evaluate_pairs`), too. Texts with several labels are not
    clustered.

    Args:
        encoder: What encodes.
        data: A retrieval test, pairs or tuples, scored pairs, or labelled texts.
        train: Labelled texts to fit the probes on; every other row of each
            label of `data` if not given, and the rest is the test.
        samples: Bootstrap resamples, 0 for no intervals.
        seed: Of the bootstrap.

    Raises:
        InputError: The data are texts alone, or what the evaluation itself refuses.
    """
    if isinstance(data, TextData) and data.schema in ("pairs", "tuples"):
        extra = [text for example in data.examples for text in example.negatives]
        data = retrieval_from_pairs(data.examples, extra, data.source)
    if isinstance(data, Retrieval):
        return [evaluate_retrieval(encoder, data, samples=samples, seed=seed)]
    if data.schema == "scored":
        results = [evaluate_sts(encoder, data, samples=samples, seed=seed)]
        if {e.score for e in data.examples} == {0.0, 1.0}:
            results.append(evaluate_pairs(encoder, data, samples=samples, seed=seed))
        return results
    _need(data, "labelled")
    test = data
    if train is None and len({frozenset(all_labels(e)) for e in data.examples}) < 2:
        fix = "give rows whose labels differ"
        raise InputError("all rows have the same labels", file=data.source, fix=fix)
    if data.multilabel:
        if train is None:
            train, test = (replace(data, examples=[data.examples[i] for i in rows]) for rows in _halves(data))
        return [evaluate_multilabel(encoder, train, test, samples=samples, seed=seed)]
    if train is not None and train.multilabel:
        raise InputError("texts with several labels to learn from, and of one to test by", file=train.source)
    z_nd, labels = _labelled(encoder, data)  # once for both
    if train is None:
        fitted, asked = ((z_nd[rows], [labels[i] for i in rows]) for rows in _halves(data))
    else:
        fitted, asked = _labelled(encoder, train), (z_nd, labels)
    return [
        classification(*fitted, *asked, source=data.source, samples=samples, seed=seed),
        clustering(z_nd, labels, source=data.source),
    ]


def _halves(data: TextData) -> tuple[list[int], list[int]]:
    """Every other row of each label (or set of labels), in order: rows may come sorted or in turns."""
    turn: Counter[object] = Counter()
    parts: tuple[list[int], list[int]] = ([], [])
    for row, example in enumerate(data.examples):
        label = (example.label, example.labels)
        parts[turn[label] % 2].append(row)
        turn[label] += 1
    return parts


def _labelled(encoder: Encodes, data: TextData) -> tuple[Float[np.ndarray, "n d"], list[str]]:
    _need(data, "labelled")
    rows = [(e.anchor, e.prompt, e.label) for e in data.examples if e.label is not None]
    texts, prompts, labels = zip(*rows, strict=True)
    return encoded_in_full(encoder, texts, prompts), list(labels)


def _need(data: TextData, schema: str) -> None:
    if data.schema != schema or not data.examples:
        raise InputError(
            f"{len(data)} rows of {data.schema} where {schema} ones are needed",
            file=data.source,
            fix="give other data, or say which columns hold what",
        )
