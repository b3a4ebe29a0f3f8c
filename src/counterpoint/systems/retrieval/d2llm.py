"""D2LLM: vectors pooled by attention and a network on both of a pair imitate what reads both texts together."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import unscaled
from counterpoint.encoders.multihead import attending
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.imitated import hard_and_easy, taught_to_imitate
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import (
    ContrastiveImitation,
    FeatureImitation,
    InfoNCE,
    Objective,
    OrderImitation,
    RankImitation,
    Sum,
)
from counterpoint.procedures import Chain, EmulatedLists, Lists, Procedure
from counterpoint.relation import Relation, share
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.imitated import FEW_ORDERED, IN_ORDER, ORDERED_TITLES, TEACHER, spread_of_lists
from counterpoint.training import TrainConfig

HARD, EASY, HIDDEN, BATCH = 8, 8, 512, 32
"""Negatives of a list, the width of the network, queries of a batch."""
WEIGHTS = (1 / BATCH, 1 / HARD, 1.0, 0.01, 0.001 * BATCH)
"""Of contrast in the batch and of the imitations, of contrast, ranks, order and features, as the code divides sums."""
_IN_BATCH = Relation(ignored=share("hard") | share("easy"))
_NEAR = Relation(ignored=share("easy") | share("batch"))
_HARD_FIRST = Relation(positive=share("hard"), negative=share("easy"), ignored=share("positive"))


def imitations() -> Objective:
    """All five terms."""
    terms = (
        InfoNCE(1.0, geometry=Dot(), relation=_IN_BATCH),
        ContrastiveImitation(geometry=Dot(), relation=_NEAR),
        RankImitation(geometry=Dot(), relation=_NEAR),
        OrderImitation(geometry=Dot(), relation=_HARD_FIRST),
        FeatureImitation(),
    )
    return Sum(*terms, weights=WEIGHTS)


def labels() -> Objective:
    """Contrast in the batch, and with a query's own hard negatives, whatever the teacher says."""
    own = InfoNCE(1.0, geometry=Dot(), relation=_NEAR)
    return Sum(InfoNCE(1.0, geometry=Dot(), relation=_IN_BATCH), own, weights=WEIGHTS[:2])


def emulated(width: int, hidden: int = HIDDEN) -> Procedure:
    """Each query's list, and a network of two layers and a logit on both vectors of each pair."""
    layers = nn.Linear(2 * width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return Chain(Lists(), EmulatedLists(nn.Sequential(*layers), EASY))


def labels_alone() -> Recipe:
    """Nobody is imitated."""
    return d2llm().varied("D2LLM, labels alone", objective=labels)


def mean_pooled() -> Recipe:
    """A text's vector is the mean of its tokens."""
    return d2llm().varied("D2LLM, mean of tokens", adapt=unscaled)


def contrast() -> InfoNCE:
    """Cosines with all documents of the batch, hard negatives among them."""
    return InfoNCE(0.05)


def biencoder() -> Recipe:
    """Means of tokens, compared by cosines, and labels alone."""
    plain = {"objective": contrast, "procedure": None, "prepare": (bm25_negatives(HARD),)}
    return d2llm().varied("biencoder", adapt=None, similarity="cosine", **plain)


@system(
    "D2LLM",
    title="D2LLM: Decomposed and Distilled Large Language Models for Semantic Search",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_d2llm.py::test_loss_is_that_of_a_naive_loop_over_lists",
    claims=(
        Claim(
            "Pooled vectors and a network on both, taught by what reads two texts together, order documents better "
            "than a biencoder",
            IN_ORDER,
            "cosines of means, labels alone, same hard negatives and steps",
            ORDERED_TITLES,
            Trained(biencoder),
            off=Trained(labels_alone),
            ceiling=TEACHER,
            floors=("untrained",),
        ),
        Claim(
            "Imitating the teacher is better than labels alone, for the same network",
            IN_ORDER,
            "labels alone, same lists and steps",
            ORDERED_TITLES,
            Trained(labels_alone),
            ceiling=TEACHER,
            floors=(),
        ),
        Claim(
            "Pooling by attention is better than the mean of tokens",
            IN_ORDER,
            "the mean of tokens, same imitations and steps",
            ORDERED_TITLES,
            Trained(mean_pooled),
            ceiling=TEACHER,
            floors=(),
        ),
    ),
    signal=Signal(spread_of_lists, off=Trained(labels_alone)),
    sample=FEW_ORDERED,
    setup="The terms and their weights are those of the authors' code, for batches of 32 and 8 hard negatives, whose "
    "sums it divides by more or less than how many there are: contrast in the batch by 32 once more, contrastive "
    "imitation by 8, features not by the queries. A small cross-encoder of kernels, trained on the same lists, stands "
    "in for a language model that is asked yes or no, and a logistic function of its score for the likelihood of yes; "
    "its kernels' counts stand in for hidden states, from which the language model's answer is made. Easy negatives, "
    "of which a teacher reads every pair there, are 8 documents a query that are drawn once, in place of those of the "
    "batch; contrast in the batch is with all. BM25 finds hard negatives here. There is one task, so one branch "
    "of the network for two. A table of random token vectors stands in for Qwen-7B with LoRA: of a BERT in miniature "
    "of random weights, whose vectors of all texts are nearly alike, the network learned nothing. The "
    "rate, theirs 1e-4, is the testbed's, and 600 steps stand in for 5 passes over their data. To search a "
    "collection the network must read every pair; what is measured is the order of BM25's first 20. They "
    "compare with large embedding models, for which a biencoder of the same start stands in. Natural language "
    "inference and likeness of sentences are not measured. BM25, whose lists these are, is no floor.",
)
def d2llm() -> Recipe:
    """Liao et al. 2024 and their code: 32 heads, 8 hard negatives, 512 hidden, batch 32, AdamW (0.8, 0.999) at 1e-4."""
    train = TrainConfig(
        epochs=5, batch_size=BATCH, learning_rate=1e-4, betas=(0.8, 0.999), weight_decay=0.01, schedule="constant"
    )
    prepare = (hard_and_easy(HARD, EASY), taught_to_imitate(1 + HARD))
    stage = Stage(imitations, train, procedure=emulated, prepare=prepare)
    return Recipe("D2LLM", (stage,), Takes("text", "text"), similarity="dot", adapt=attending)
