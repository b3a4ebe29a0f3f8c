"""What is found by each part of a vector that is dense and sparse, and by both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array, vstack

from counterpoint.data.items import Items
from counterpoint.encoders import HybridEncoder
from counterpoint.encoders.features import Kind
from counterpoint.search.exact import ScoreRows
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.corpora import seen_scifact
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import SCIFACT

_CHUNK, _SHOWN = 256, 512
"""Texts whose weights of all tokens are there at once; documents that are looked at."""
Part = Literal["dense", "sparse", "both"]


class ByPart:
    """An encoder that ranks by one part of its vectors, or by both.

    Args:
        encoder: It.
        part: Which.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> table = StaticEncoder.from_corpus(["a cat", "two dogs"], dim=4, prompts={})
        >>> encoder = HybridEncoder(table, share=1.0, bias=0.5)
        >>> one, other = Items("text", ["a cat"]), Items("text", ["two dogs", "a cat a cat"])
        >>> [rows.scores_bm.tolist() for rows in ByPart(encoder, "sparse").score_rows(one, other)]
        [[[0.0, 0.5]]]
    """

    def __init__(self, encoder: HybridEncoder, part: Part) -> None:
        self.encoder, self.part = encoder, part

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """The scores of all documents for each query."""
        (q, asked), (d, weights) = self._encoded(queries, "query"), self._encoded(documents, "document")
        for start in range(0, len(queries), _CHUNK):
            rows = slice(start, start + _CHUNK)
            scores = np.zeros((len(q[rows]), len(d)), dtype=np.float32)
            if self.part != "sparse":
                scores += q[rows] @ d.T
            if self.part != "dense":
                scores += (asked[rows] @ weights.T).toarray()
            yield ScoreRows(scores, np.abs(scores).max(1))

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """Both parts."""
        return self.encoder.encode_items(items, kind=kind)

    def _encoded(self, items: Items, kind: Kind) -> tuple[Float[np.ndarray, "n d"], csr_array]:
        dense, sparse = [], []
        for rows in torch.arange(len(items)).split(_CHUNK):
            z = self.encoder.encode_items(items[rows], kind=kind)
            dense.append(z[:, : self.encoder.dense])
            sparse.append(csr_array(z[:, self.encoder.dense :]))
        return np.concatenate(dense), csr_array(vstack(sparse))


@cache
def found_by(part: Part) -> Figure:
    """nDCG@10 by a part of the vectors; of what has no parts, by its vectors.

    Examples:
        >>> found_by("dense").name
        'ndcg@10, dense'
    """

    def measure(made: Made) -> float:
        parted = isinstance(made.encoder, HybridEncoder)
        return found("ndcg@10").of(replace(made, encoder=ByPart(made.encoder, part)) if parted else made)  # type: ignore[arg-type]

    return Figure(f"ndcg@10, {part}", measure)


def _unequal(made: Made) -> float:
    assert isinstance(made.encoder, HybridEncoder)
    data = made.train
    assert data.others is not None
    weights = ByPart(made.encoder, "sparse")._encoded(data.others[torch.arange(min(_SHOWN, len(data.others)))], None)[1]
    return float(weights.data.std() / weights.data.mean()) if weights.nnz else 0.0


unequal_weights = Figure("how unequal the weights of tokens are", _unequal)
"""Their standard deviation over their mean, of the tokens of 512 training documents; 0 where each counts the same."""


HYBRID = replace(
    SCIFACT,
    name="SciFact, hybrid",
    about=f"{SCIFACT.about}, batches of 32",
    settings=SCIFACT.settings | {"batch_size": 32},
    figures=(*SCIFACT.figures, *map(found_by, ("dense", "sparse", "both"))),
)
SEEN_HYBRID = replace(HYBRID, name="SciFact, hybrid, all claims", parts=seen_scifact, steps=400)
"""With the claims of the test among those of training, twice the steps: what can be learned of them."""
