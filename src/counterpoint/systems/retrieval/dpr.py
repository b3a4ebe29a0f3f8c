"""DPR: question and passage encoders, inner product, in-batch negatives and one from BM25."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from counterpoint.config import Config
from counterpoint.encoders.dual import DualEncoder
from counterpoint.geometry import Dot
from counterpoint.objectives import InfoNCE
from counterpoint.systems._corpus import TABLE, corpus, ranked, ranked_bm25, run_with_fit, table, top, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig

_STEPS = 1200


def _ranks(config: Config, seed: int) -> np.ndarray:
    encoder = DualEncoder(table(seed))
    trained(config, encoder, corpus().train.examples, steps=_STEPS, seed=seed, **TABLE)
    return ranked(encoder, "dot")


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    with_negative, without = _ranks(dpr(), seed), _ranks(replace(dpr(), hard_negatives=0), seed)
    pairs = tuple((top(with_negative, 20), top(other, 20)) for other in (ranked_bm25(), without))
    return pairs, {f"top-{k} accuracy": top(with_negative, k) for k in (1, 5, 100)}


def _included(config: Config, output: Path, say: Say) -> Figures:
    say(f"two tables of token vectors, {_STEPS:,} steps on {len(corpus().train):,} titles and descriptions")
    encoder = DualEncoder(table(0))
    trained(config, encoder, corpus().train.examples, steps=_STEPS, seed=0, **TABLE)
    encoder.save(output / "model")
    ranks = ranked(encoder, "dot")
    return {f"{name} top-{k}": top(r, k) for k in (1, 20) for name, r in (("DPR", ranks), ("BM25", ranked_bm25()))}


@system(
    "DPR",
    title="Dense Passage Retrieval for Open-Domain Question Answering",
    year=2020,
    family="retrieval",
    mechanism="tests/systems/test_dpr.py::test_loss_is_that_of_a_naive_loop_over_n_plus_n_passages",
    run=run_with_fit(_included),
    claims=(
        Claim("A dense retriever trained on pairs finds more answers than BM25", "top-20 accuracy", "BM25"),
        Claim(
            "One BM25 negative a question beats in-batch negatives alone",
            "top-20 accuracy",
            "in-batch negatives only, same steps",
        ),
    ),
    measure=_measure,
    setup=f"Included corpus: 1,500 held-out titles against 39,000 descriptions; trained from scratch on the rest, "
    f"{_STEPS:,} steps of 128 pairs. Two tables of token vectors (20,000 x 256) stand in for two BERTs, at a "
    "learning rate of 0.02; they begin as copies, in random directions, the rarer a token the longer. BM25 stems.",
)
def dpr() -> Config:
    """Karpukhin et al. 2020: section 3.2 (loss, batch 128, one BM25 negative) and 5 (training)."""
    return Config(
        "DPR",
        lambda: InfoNCE(1.0, geometry=Dot()),
        TrainConfig(epochs=40, batch_size=128, learning_rate=1e-5, schedule="linear"),
        similarity="dot",
        hard_negatives=1,
    )
