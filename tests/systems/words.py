"""Texts to take a step of a system on, and small encoders of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.scratch import small_transformer
from systems.through import Step, step_of

KINDS = ("cat", "dog", "fox", "owl", "bee", "ant", "eel", "hen", "cow", "pig", "emu", "yak")
PAIRS = [
    Example(f"a {kind} at night", (f"the {kind} sleeps all night, says number {i}",)) for i, kind in enumerate(KINDS)
]
TUPLES = [Example(e.anchor, e.positives, (f"no {kind} is awake",)) for e, kind in zip(PAIRS, KINDS, strict=True)]
ALONE = [Example(e.anchor) for e in PAIRS]


def texts(data: Data) -> list[str]:
    """All of them, with what prompts say."""
    return ["query: passage:", *data.anchors.texts, *(data.others.texts if data.others is not None else ())]


def small_table(data: Data, dim: int = 16) -> StaticEncoder:
    """A table of token vectors."""
    return StaticEncoder.from_corpus(texts(data), vocab_size=400, dim=dim)


def small_bert(data: Data, dropout: float = 0.1, pooling: str = "mean"):
    """A transformer of one layer, with weights large enough for its width that texts are told apart."""
    options = {"layers": 1, "width": 16, "heads": 2, "vocab_size": 200, "dropout": dropout}
    encoder = small_transformer(texts(data), normalize=False, pooling=pooling, **options)
    with torch.no_grad():
        for part in encoder.model.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                part.weight.mul_(16)
    return encoder


def steady_bert(data: Data):
    """The same without dropout, whose masks a second forward would draw anew."""
    return small_bert(data, dropout=0.0)


def contrast(first, second, past=(), temperature: float = 0.05) -> torch.Tensor:
    """Cross-entropy of each anchor's cosines with all second sides and what is past: a loop over each."""
    total = torch.zeros(())
    for i, z in enumerate(first):
        s = torch.stack([F.cosine_similarity(z, k, dim=0) / temperature for k in (*second, *past)])
        total = total + (torch.logsumexp(s, 0) - s[i]) / len(first)
    return total


def step_of_texts(method, examples=PAIRS, *, make=small_table, **options) -> Step:
    """The last step on these rows; see `step_of`."""
    data = rows_of(examples) if not isinstance(examples, Data) else examples
    return step_of(method, data, encoder=make(data), **options)
