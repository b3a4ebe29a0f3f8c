"""What is found by a dense vector, what by the weights of the vocabulary after it, and how far these expand a text."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.data.items import Data, Items
from counterpoint.encoders import SpladeEncoder, StaticEncoder, Towers
from counterpoint.encoders.features import Kind
from counterpoint.testbeds.adapted import seen_titles
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import SMALL_TITLES
from counterpoint.testbeds.unmarked import few_titles

_SHOWN = 512
Half = Literal["dense", "sparse"]


def narrow_table(data: Data, seed: int, tokens: int = 4_000, dim: int = 128) -> StaticEncoder:
    """An untrained table of 4,000 token vectors of 128 dimensions (`StaticEncoder.from_corpus`) for the bed's texts.

    Each token is compared with all others, so that a larger one takes minutes. The tokenizer is the same for every
    seed.
    """
    others = () if data.others is None else data.others.texts
    return StaticEncoder.from_corpus([*data.anchors.texts, *others], vocab_size=tokens, dim=dim, seed=seed)


class OneHalf:
    """Two towers that give one half of their vectors: the dense part, or the weights after it.

    Args:
        towers: Of `SpladeEncoder`s with a dense part.
        half: Which.

    Examples:
        >>> table = StaticEncoder.from_corpus(["a cat", "two dogs"], dim=4, prompts={})
        >>> towers = Towers(SpladeEncoder(table, dense=6))
        >>> OneHalf(towers, "dense").encode_items(Items("text", ["a cat"])).shape
        (1, 6)
    """

    similarity = "dot"

    def __init__(self, towers: Towers, half: Half) -> None:
        self.towers, self.half = towers, half

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row an item."""
        z, dense = self.towers.encode_items(items, kind=kind), self.towers.side(kind).dense
        return z[:, :dense] if self.half == "dense" else z[:, dense:]


@cache
def found_by_half(half: Half) -> Figure:
    """nDCG@10 by one half of the vectors.

    Examples:
        >>> found_by_half("dense").name
        'ndcg@10, dense alone'
    """

    def measure(made: Made) -> float:
        assert isinstance(made.encoder, Towers)
        return found("ndcg@10").of(replace(made, encoder=OneHalf(made.encoder, half)))

    return Figure(f"ndcg@10, {half} alone", measure)


def _expanded(made: Made) -> float:
    assert isinstance(made.encoder, Towers)
    data, tower = made.train, made.encoder.document
    assert data.others is not None
    assert isinstance(tower, SpladeEncoder)
    documents = data.others[torch.arange(min(_SHOWN, len(data.others)))]
    weights, features = tower.encode_sparse(documents, kind="document"), tower.inputs(documents, "document")
    ids, ends = features["input_ids"].numpy(), features["offsets"].tolist()
    own = sum(float(weights[[i]][:, np.unique(ids[a:b])].sum()) for i, (a, b) in enumerate(pairwise(ends)))
    return 1 - own / float(weights.sum())


expanded = Figure("share of weights on tokens that a document does not have", _expanded)
"""Of all weights of 512 training documents."""


EXPANDED = replace(
    SMALL_TITLES,
    name="titles, expanded",
    about="included corpus: 4,000 titles with descriptions to train on, 1,500 held-out titles against 3,000 "
    "descriptions; a random table of token vectors (4,000 x 128) from scratch, 200 steps of 8 at a rate of 0.003",
    start=narrow_table,
    steps=200,
    settings={**SMALL_TITLES.settings, "learning_rate": 3e-3, "batch_size": 8},
)
SEEN_EXPANDED = replace(EXPANDED, name="titles, expanded, seen", parts=seen_titles, steps=400)
"""With the titles of the test among those of training, twice the steps: what can be learned of them."""
FEW_EXPANDED = replace(
    EXPANDED,
    name="titles, 500, expanded",
    parts=few_titles,
    about="included corpus: 500 titles with descriptions to train on, 1,500 held-out titles against 3,000 "
    "descriptions; a random table of token vectors (1,000 x 64) from scratch, 60 steps of 8 at a rate of 0.003",
    start=partial(narrow_table, tokens=1_000, dim=64),
    steps=60,
)
