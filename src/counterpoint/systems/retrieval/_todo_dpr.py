"""DPR: question and passage encoders, inner product, in-batch negatives and one from BM25."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.towers import Towers
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import InfoNCE
from counterpoint.systems._corpus import TABLE, pairs, ranked, ranked_bm25, run_with_fit, table, top, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig

_STEPS = 1200


@cache
def _mined() -> Data:
    return bm25_negatives()(pairs(), nn.Identity(), 0)


def _trained(data: Data, seed: int) -> Towers:
    unit = dpr().varied("DPR", objective=lambda: InfoNCE(0.05), similarity="cosine", prepare=())
    return trained(unit, Towers(table(seed)), data, steps=_STEPS, seed=seed, **TABLE)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    with_negative, without = (ranked(_trained(e, seed)) for e in (_mined(), pairs()))
    measured = tuple((top(with_negative, 20), top(other, 20)) for other in (ranked_bm25(), without))
    return measured, {f"top-{k} accuracy": top(with_negative, k) for k in (1, 5, 100)}


def _included(method: Recipe, output: Path, say: Say) -> Figures:
    del method
    say(f"two tables of token vectors, {_STEPS:,} steps on {len(pairs()):,} titles and descriptions")
    encoder = _trained(_mined(), 0)
    encoder.save(output / "model")
    found = {"DPR": ranked(encoder), "BM25": ranked_bm25()}
    return {f"{name}: top-{k} accuracy": top(ranks, k) for k in (1, 20) for name, ranks in found.items()}


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
    setup="Included corpus: 1,500 held-out titles against 39,000 descriptions; trained from scratch on the rest, "
    f"{_STEPS:,} steps of 128 pairs. Two tables of token vectors (20,000 x 256), which begin as copies, stand in for "
    "two BERTs, at a learning rate of 0.02. Their vectors are scaled to length one, at temperature 0.05: BERT ends in "
    "a LayerNorm, so its vectors have nearly one length, and those of a table do not (raw inner products did worse on "
    "training titles set aside: 0.51 and less against 0.70). BM25 stems.",
)
def dpr() -> Recipe:
    """Karpukhin et al. 2020: section 3.2 (loss, batch 128, one BM25 negative) and 5 (training)."""
    train = TrainConfig(epochs=40, batch_size=128, learning_rate=1e-5, schedule="linear")
    stage = Stage(lambda: InfoNCE(1.0, geometry=Dot()), train, prepare=(bm25_negatives(1),))
    return Recipe("DPR", (stage,), Takes("text", "text"), similarity="dot")
