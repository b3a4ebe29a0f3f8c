"""The included corpus as a testbed: titles of Debian packages find their descriptions among all."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F

from counterpoint.data import debian
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.figures import found


def packages(seed: int) -> Parts:
    """All training pairs of title and description, and the titles held out; no seed draws anything."""
    del seed
    return _read()


def table(data: Data, seed: int) -> StaticEncoder:
    """A table of 20,000 token vectors of 256 dimensions; the tokens and the lengths are the same for every seed."""
    del data
    kept = _table()
    norm, generator = kept.embedding.weight.detach().norm(dim=1, keepdim=True), torch.Generator().manual_seed(seed)
    return kept.with_table(F.normalize(torch.randn(len(norm), kept.dim, generator=generator), dim=1) * norm)


@cache
def _read() -> tuple[Data, Collection]:
    corpus = debian()
    return rows_of(corpus.train.examples), Collection.of(corpus.heldout)


@cache
def _table() -> StaticEncoder:
    data = _read()[0]
    assert data.others is not None
    texts = [*data.anchors.texts, *data.others.texts]
    return StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=256)


PACKAGES = Testbed(
    "packages",
    packages,
    "the included corpus: 37,000 titles of Debian packages with their descriptions, 1,500 titles for test, each to "
    "find its own among all descriptions; a table of token vectors from scratch, two epochs, AdamW at 2e-2",
    table,
    epochs=2,
    settings={"learning_rate": 2e-2, "weight_decay": 0.0, "clip": 0.0, "dtype": "float32"},
    figures=(found("mrr@10"),),
)
