"""E5: prefixes, a filter of noisy pairs by the model's own ranking, then fine-tuning with hard negatives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, consistent_pairs
from counterpoint.objectives import InfoNCE
from counterpoint.systems._corpus import TABLE, corpus, mrr, pairs, ranked, run_with_fit, table, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig
from counterpoint.views import shuffle_partners

_NOISE, _JUDGE_STEPS, _STEPS, _POOL = 0.5, 50, 200, 10_000


def _train(data: Data, seed: int) -> StaticEncoder:
    return trained(e5().varied("E5", prepare=()), table(seed), data, steps=_STEPS, seed=seed, batch_size=1024, **TABLE)


def _filtered(seed: int) -> tuple[Data, Data, Figures]:
    """Noisy pairs, those that pass, and how well the filter did."""
    examples, right = shuffle_partners(corpus().train.examples, _NOISE, seed)
    noisy, judged = rows_of(examples), table(seed)
    noisy = replace(noisy, columns={"right": torch.tensor(right)})
    stage = e5().stages[0]
    judge = replace(stage, train=replace(stage.train, steps=_JUDGE_STEPS, batch_size=1024, **TABLE), prepare=())
    e5().settle(judged)
    kept = consistent_pairs(judge, pool=_POOL)(noisy, judged, seed)
    found, good = float(kept.columns["right"].sum()), float(noisy.columns["right"].sum())
    figures = {
        "share kept": len(kept) / len(noisy),
        "of kept, right": found / len(kept),
        "of right, kept": found / good,
    }
    return noisy, kept, figures


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    noisy, kept, figures = _filtered(seed)
    filtered, unfiltered = (ranked(_train(data, seed)) for data in (kept, noisy))
    return ((mrr(filtered), mrr(unfiltered)),), figures


def _included(method: Recipe, output: Path, say: Say) -> Figures:
    del method
    say(f"half of {len(corpus().train):,} descriptions go to the wrong title; a model trained on all judges each pair")
    _, kept, figures = _filtered(0)
    say(f"first stage: {len(kept):,} pairs passed the filter")
    encoder = _train(kept, 0)
    before = ranked(encoder)
    say("second stage: fine-tuning on 5,000 clean pairs with hard negatives from BM25")
    clean = pairs()[torch.arange(5000)]
    trained(finetuning(), encoder, clean, steps=40, seed=0, **(TABLE | {"learning_rate": 2e-3}))
    encoder.save(output / "model")
    after = ranked(encoder)
    stages = {"first": before, "second": after}
    return {**figures, **{f"{name} stage: MRR@10": mrr(ranks) for name, ranks in stages.items()}}


def finetuning() -> Recipe:
    """The second stage (section 3.3): labelled pairs with mined hard negatives.

    The paper adds distillation from a cross-encoder: `DistillKL() + 0.2 * InfoNCE(0.01)`, where there is a teacher.
    """
    train = TrainConfig(epochs=3, batch_size=256, learning_rate=2e-5)
    return e5().varied("E5 fine-tuning", train=train, prepare=(bm25_negatives(7),))


@system(
    "E5",
    title="Text Embeddings by Weakly-Supervised Contrastive Pre-training",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_e5.py::test_filter_keeps_exactly_the_pairs_that_rank_within_k_by_brute_force",
    variants={"E5 fine-tuning": finetuning},
    run=run_with_fit(_included),
    claims=(
        Claim(
            "Training on the pairs that a model trained on all of them ranks in its top 2 beats training on all",
            "MRR@10",
            "all noisy pairs, same steps",
        ),
    ),
    measure=_measure,
    setup=f"Included corpus with half of the descriptions shuffled among titles; the judge is trained {_JUDGE_STEPS} "
    f"steps on all pairs and ranks each against {_POOL:,} random descriptions (the paper: a million); then {_STEPS} "
    "steps of 1,024 pairs from the same random table of token vectors (20,000 x 256). Tested on 1,500 clean held-out "
    "titles against 39,000 descriptions.",
)
def e5() -> Recipe:
    """Wang et al. 2022: prefixes, mean pooling, cosine, temperature 0.01, in-batch negatives, filter with k = 2."""
    train = TrainConfig(epochs=1, batch_size=1024, learning_rate=1e-4, schedule="linear")
    stage = Stage(lambda: InfoNCE(0.01), train)
    prompts = {"query": "query: ", "document": "passage: "}
    filtered = replace(stage, prepare=(consistent_pairs(stage, 2),))
    return Recipe("E5", (filtered,), Takes("text", "text"), prompts=prompts)
