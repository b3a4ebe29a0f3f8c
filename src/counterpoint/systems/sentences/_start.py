"""The start that unsupervised sentence systems share: a small BERT, pretrained as a masked language model."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import torch

from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.evaluate import place
from counterpoint.search.exact import score_rows
from counterpoint.systems._corpus import corpus, mrr, sample
from counterpoint.training import TrainConfig, train
from counterpoint.views import MaskedLM

LENGTH = 32
_TEXTS = 16_000


def start() -> TransformerEncoder:
    """A copy of the start: 2 layers of 256, mean pooling, an epoch on 16,000 descriptions of the included corpus."""
    return copy.deepcopy(_pretrained())


@cache
def _pretrained() -> TransformerEncoder:
    texts = [e.positives[0] for e in sample(_TEXTS, 0)]
    encoder = small_transformer(texts, max_seq_length=LENGTH, normalize=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        masked = MaskedLM(encoder, texts)
    train(masked, masked, masked.objective(), TrainConfig(epochs=1, learning_rate=1e-3, validations=1))
    return encoder


def figure(encoder: TransformerEncoder) -> float:
    """MRR@10 of the held-out titles against their own 1,500 descriptions."""
    heldout = corpus().heldout
    own = replace(heldout, corpus={d: heldout.corpus[d] for q in heldout.queries for d in heldout.qrels[q]})
    z = (encoder.encode(list(texts.values())) for texts in (own.queries, own.corpus))
    return mrr(place(score_rows(*z), own).judged)
