"""Is each of two nearly equal documents found by its own query (NevIR)?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from counterpoint.data.contrasts import Contrast
from counterpoint.encoders.features import Kind
from counterpoint.errors import InputError
from counterpoint.evaluate.bootstrap import SAMPLES, figure
from counterpoint.evaluate.encoder import Encodes, encoded_in_full, similarity_of
from counterpoint.evaluate.figures import Result
from counterpoint.evaluate.frozen import similarity
from counterpoint.search.reranking import Score

_ROUNDING = 1e-6


def of_documents(encoder: Encodes) -> Score:
    """How near the vectors of a query and a document are by the encoder's own similarity, each text encoded once.

    Examples:
        >>> class Letters:
        ...     def encode(self, texts, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        >>> of_documents(Letters())(["a", "b"], ["aa", "a"]).tolist()
        [1.0, 0.0]
    """

    def score(queries: Sequence[str], documents: Sequence[str]) -> Float[np.ndarray, " n"]:
        q, d = _once(encoder, queries, "query"), _once(encoder, documents, "document")
        return similarity(q, d, similarity_of(encoder))

    return score


def evaluate_contrasts(
    score: Score, contrasts: Sequence[Contrast], *, source: str = "", samples: int = SAMPLES, seed: int = 0
) -> Result:
    """Whether queries find the one of two documents that answers them.

    `pairwise accuracy` is the share of contrasts with `s(q1, doc1) > s(q1, doc2)` and `s(q2, doc2) > s(q2, doc1)`: a
    quarter by chance, and 0 for what ranks both documents alike whatever is asked. `accuracy of a query` is the share
    of queries, a half either way. Equal scores are wrong. Source: Weller et al. 2023, "NevIR: Negation in Neural
    Information Retrieval", and the authors' code.

    Args:
        score: Any: `of_documents` of an encoder, a cross-encoder, BM25.
        contrasts: As `counterpoint.data.read_contrasts` gives them.
        source: What was measured, for the record.
        samples: Bootstrap resamples for the intervals, 0 for none.
        seed: Of the bootstrap.

    Raises:
        InputError: No contrasts, scores that are not finite, or not one a pair.

    Examples:
        >>> def shared(queries, documents):  # words
        ...     return np.array([len(set(q.split()) & set(d.split())) for q, d in zip(queries, documents)], dtype=float)
        >>> contrasts = [Contrast("a cat sleeps", "no cat sleeps", "the cat sleeps", "no cat there sleeps")]
        >>> {name: figure.value for name, figure in evaluate_contrasts(shared, contrasts).items()}
        {'pairwise accuracy': 0.0, 'accuracy of a query': 0.5}
    """
    if not contrasts:
        raise InputError("there are no contrasts", fix="give some")
    queries = [q for c in contrasts for q in (c.q1, c.q1, c.q2, c.q2)]
    documents = [d for c in contrasts for d in (c.doc1, c.doc2, c.doc2, c.doc1)]
    scores = np.asarray(score(queries, documents), dtype=float)
    if scores.shape != (len(queries),) or not np.isfinite(scores).all():
        raise InputError("scores are not finite numbers, one a pair", fix="correct the scorer")
    own, other = scores[::2].reshape(-1, 2), scores[1::2].reshape(-1, 2)
    right = own - other > _ROUNDING * np.maximum(np.abs(own), np.abs(other))
    values = {"pairwise accuracy": right.all(1), "accuracy of a query": right.ravel()}
    figures = {name: figure(name, v.astype(float), samples=samples, seed=seed) for name, v in values.items()}
    return Result("contrasts", source, figures)


def _once(encoder: Encodes, texts: Sequence[str], kind: Kind) -> Float[np.ndarray, "n d"]:
    once = list(dict.fromkeys(texts))
    row = {text: i for i, text in enumerate(once)}
    return encoded_in_full(encoder, once, kind=kind)[[row[text] for text in texts]]
