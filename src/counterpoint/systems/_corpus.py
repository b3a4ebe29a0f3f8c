"""The included corpus as the families of text systems share it: the same pairs, start, training and figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data import DebianCorpus, Example, debian
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder, TransformerEncoder
from counterpoint.encoders.towers import Tower, Towers
from counterpoint.evaluate import Judged, hit_rate, place, reciprocal_rank
from counterpoint.methods import Recipe
from counterpoint.search import BM25
from counterpoint.search.exact import Metric, score_rows
from counterpoint.systems.registry import Figures, Run, Say

TABLE: dict[str, Any] = {"learning_rate": 2e-2, "weight_decay": 0.0, "clip": 0.0, "chunk_tokens": 1 << 20}
"""Training settings of a table of token vectors, which learns from scratch; papers' are of pretrained transformers."""


@cache
def corpus() -> DebianCorpus:
    """Read once."""
    return debian()


@cache
def pairs() -> Data:
    """All training pairs, title and description."""
    return rows_of(corpus().train.examples)


def sample(n: int, seed: int) -> list[Example]:
    """`n` training pairs, title and description, in random order."""
    pairs = corpus().train.examples
    return [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))[:n]]


def table(seed: int) -> StaticEncoder:
    """An untrained table of 20,000 token vectors of 256 dimensions (`StaticEncoder.from_corpus`).

    The tokenizer is the same for every seed, and so is the length of each row; its direction is random.
    """
    kept = _table()
    norm, generator = kept.embedding.weight.detach().norm(dim=1, keepdim=True), torch.Generator().manual_seed(seed)
    return kept.with_table(F.normalize(torch.randn(len(norm), kept.dim, generator=generator), dim=1) * norm)


@cache
def _table() -> StaticEncoder:
    texts = [text for e in corpus().train.examples for text in e.texts]
    return StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=256)


EncoderT = TypeVar("EncoderT", StaticEncoder, TransformerEncoder, Towers)


def trained(recipe: Recipe, encoder: EncoderT, data: Data, *, steps: int, seed: int, **settings: Any) -> EncoderT:
    """Train an encoder for so many steps as a recipe says, and give it back."""
    recipe.changed(steps=steps, validations=1, **settings).make(data, seed, encoder=encoder)
    return encoder


def ranked(encoder: Tower | Towers, metric: Metric = "cosine") -> Judged:
    """Where each held-out title's own description stands among all descriptions."""
    heldout = corpus().heldout
    q = encoder.encode_items(Items("text", list(heldout.queries.values())), kind="query")
    d = encoder.encode_items(Items("text", list(heldout.corpus.values())), kind="document")
    return place(score_rows(q, d, metric=metric), heldout).judged


@cache
def ranked_bm25() -> Judged:
    """The same by BM25."""
    heldout = corpus().heldout
    return place(BM25(list(heldout.corpus.values())).score_rows(list(heldout.queries.values())), heldout).judged


def top(judged: Judged, k: int) -> float:
    """Top-k accuracy: the share of queries whose answer is among the first `k`."""
    return float(hit_rate(judged, k).mean())


def mrr(judged: Judged, k: int = 10) -> float:
    """MRR@k: the mean of 1 / rank, 0 beyond `k`."""
    return float(reciprocal_rank(judged, k).mean())


def run_with_fit(included: Callable[[Recipe, Path, Say], Figures]) -> Run:
    """Runs a system on the user's texts by `counterpoint.fitting`, or as `included` says without any."""

    def run(method: Recipe, source: str | None, output: Path, say: Say) -> Figures:
        if source is None:
            return included(method, output, say)
        from counterpoint.fitting import fit

        result = fit(source, output, method=method, say=say)
        return {f"{m.name}: {name}": f.value for m in result.measured for name, f in m.figures.items()}

    return run
