"""E5: prefixes, a filter of noisy pairs by the model's own ranking, then fine-tuning with a teacher's scores."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, consistent_pairs, taught
from counterpoint.objectives import Apart, DistillKL, InfoNCE, Objective
from counterpoint.procedures import Lists, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.texts import (
    ABSTRACTS,
    LONGER_SCIFACT,
    NOISY_TITLES,
    SCIFACT,
    SMALL_NOISY_TITLES,
    TABLE,
    nearest_wrong,
)
from counterpoint.training import TrainConfig

_TEMPERATURE, _WEIGHT = 0.01, 0.2
_FIRST = TrainConfig(epochs=1, batch_size=1024, learning_rate=1e-4, schedule="linear")


def filtered(judge: TrainConfig, pool: int) -> Recipe:
    """The first stage on the pairs that a copy of the start, trained so on all of them, ranks in its top 2."""
    stage = Stage(lambda: InfoNCE(_TEMPERATURE), _FIRST)
    prepare = (consistent_pairs(replace(stage, train=judge), 2, pool=pool),)
    prompts = {"query": "query: ", "document": "passage: "}
    return Recipe("E5", (replace(stage, prepare=prepare),), Takes("text", "text"), prompts=prompts)


def on_table() -> Recipe:
    """With a judge for a table of token vectors: 50 steps, and 10,000 random descriptions."""
    return filtered(replace(_FIRST, steps=50, **TABLE), 10_000)


def unfiltered() -> Recipe:
    """On all pairs."""
    return e5().varied("no filter", prepare=())


def right_only(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training for who knows which pairs are right."""
    del encoder, seed
    return data[data.columns["right"] > 0]


def oracle() -> Recipe:
    """On the right pairs."""
    return e5().varied("right pairs", prepare=(right_only,))


def with_teacher() -> Objective:
    """`KL(teacher || student)` over each query's own list, and 0.2 of InfoNCE over the batch."""
    student = Apart("owned", DistillKL(_TEMPERATURE))
    return student + _WEIGHT * Apart("keys", InfoNCE(_TEMPERATURE))


def own_lists(width: int) -> Procedure:
    """Each query's positive and mined negatives, with the teacher's scores."""
    del width
    return Lists()


def finetuning() -> Recipe:
    """The second stage, section 3.3: labelled pairs, seven mined negatives each, a cross-encoder's scores."""
    train = TrainConfig(epochs=3, batch_size=256, learning_rate=2e-5)
    prepare = (bm25_negatives(7), taught())
    return e5().varied("E5 fine-tuning", train=train, prepare=prepare, objective=with_teacher, procedure=own_lists)


def untaught() -> Recipe:
    """The same negatives without a teacher."""
    return finetuning().varied(
        "E5 without teacher",
        prepare=(bm25_negatives(7),),
        objective=lambda: InfoNCE(_TEMPERATURE),
        procedure=None,
    )


@system(
    "E5",
    title="Text Embeddings by Weakly-Supervised Contrastive Pre-training",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_e5.py::test_filter_keeps_exactly_the_pairs_that_rank_within_k_by_brute_force",
    variants={"E5 fine-tuning": finetuning},
    claims=(
        Claim(
            "Trained on weak pairs alone, without labels of the task, it finds more than BM25",
            found("ndcg@10"),
            "BM25",
            ABSTRACTS,
            LEXICAL,
            system=Trained(on_table),
            off=Trained(unfiltered),
            ceiling=Richer(Trained(unfiltered), LONGER_SCIFACT),
            floors=("untrained",),
        ),
        Claim(
            "Training on the pairs that a model trained on all of them ranks in its top 2 beats training on all",
            found("mrr@10"),
            "all noisy pairs, same steps",
            NOISY_TITLES,
            Trained(unfiltered),
            system=Trained(on_table),
            ceiling=Trained(oracle),
        ),
        Claim(
            "A cross-encoder's scores improve fine-tuning",
            found("ndcg@10"),
            "the same mined negatives without a teacher",
            SCIFACT,
            Trained(untaught),
            system=Trained(finetuning),
            ceiling=Richer(Trained(untaught), LONGER_SCIFACT),
        ),
    ),
    signal=Signal(nearest_wrong, off=Trained(unfiltered)),
    sample=SMALL_NOISY_TITLES,
    setup="A table of token vectors from scratch stands in for BERT and MiniLM, titles with abstracts or descriptions "
    "for 270 million pairs; half of the descriptions are shuffled, so that it is known which pairs are right. The "
    "judge is trained for 50 steps and ranks each pair against 10,000 random documents (the paper: a million). What "
    "the filter leaves out is said as a warning of the run: of clean pairs it leaves out good ones. The teacher is a "
    "small cross-encoder, kernels on the cosines of every two tokens, trained on the same lists of a positive and "
    "seven BM25 negatives; the paper's is a large transformer. The oracle knows the right pairs; the other ceiling has "
    "the test's claims among its training claims.",
)
def e5() -> Recipe:
    """Wang et al. 2022: prefixes, mean pooling, cosine, temperature 0.01, in-batch negatives, filter with k = 2."""
    return filtered(_FIRST, 1_000_000)
