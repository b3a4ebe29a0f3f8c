"""GTR: a larger tower under a vector of the same width, taught by weak pairs and then by judged ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from counterpoint.data.mixture import marked
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.adapting import first_layers, linear_layer, mean_of_tokens
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import InfoNCE, Objective, Sum
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.elsewhere import AT_HOME, ELSEWHERE, OF_TWO_KINDS
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig

TEMPERATURE = 0.01
judged, weak = marked("judged"), marked("judged", mark=False)
"""Pairs that somebody judged, and the others."""
PRETRAINING, FINE = 800_000, 20_000
"""Steps of each stage."""


def both_ways() -> Objective:
    """The sum of both directions: a question among all documents, mined ones too; a document among all questions."""
    return Sum(InfoNCE(TEMPERATURE, layout="symmetric"), weights=(2.0,))


def tower(encoder: nn.Module, layers: int | None = None) -> nn.Module:
    """The mean of all states through a linear layer without bias; of some layers alone, where that is said."""
    for part in encoder.modules():
        if isinstance(part, TransformerEncoder) and layers is not None:
            first_layers(part, layers)
    return linear_layer(mean_of_tokens(encoder), bias=False)


def in_stages(pretraining: int = PRETRAINING, fine: int = FINE) -> Recipe:
    """Weak pairs for so many steps, against the batch alone, and judged ones with a mined negative each for so many."""
    train = TrainConfig(batch_size=2048, learning_rate=1e-3, schedule="linear", warmup=0.0)
    first = Stage(both_ways, replace(train, steps=pretraining), prepare=(weak,))
    second = Stage(both_ways, replace(train, steps=fine), prepare=(judged, bm25_negatives()))
    return Recipe("GTR", (first, second), Takes("text", "text"), adapt=tower)


def even() -> Recipe:
    """Stages of one length, since few steps are to be shared."""
    return in_stages(FINE, FINE)


def smaller() -> Recipe:
    """The first layer alone, under a vector as wide."""
    return even().varied("GTR, smaller", adapt=partial(tower, layers=1))


def fine_tuned() -> Recipe:
    """Judged pairs alone, for as many steps as both stages have."""
    return even().varied("GTR, fine-tuned alone", stages=even().stages[1:])


def pretrained() -> Recipe:
    """Weak pairs alone, for as many steps as both stages have."""
    return even().varied("GTR, pre-trained alone", stages=even().stages[:1])


_CEILING = Richer(Trained(pretrained), AT_HOME)


@system(
    "GTR",
    title="Large Dual Encoders Are Generalizable Retrievers",
    year=2021,
    family="retrieval",
    mechanism="tests/systems/test_gtr.py::test_loss_is_that_of_a_naive_loop_both_ways_and_mined_documents_ask_nothing",
    claims=(
        Claim(
            "A larger encoder, with vectors as wide, finds more in a field that it was not trained on",
            found("ndcg@10"),
            "the first of its two layers alone, same training",
            ELSEWHERE,
            Trained(smaller),
            system=Trained(even),
            ceiling=_CEILING,
        ),
        Claim(
            "Weak pairs before judged ones teach more of it than judged ones alone",
            found("ndcg@10"),
            "judged pairs alone, for as many steps",
            ELSEWHERE,
            Trained(fine_tuned),
            system=Trained(even),
            ceiling=_CEILING,
        ),
        Claim(
            "And judged ones after them more than weak ones alone",
            found("ndcg@10"),
            "weak pairs alone, for as many steps",
            ELSEWHERE,
            Trained(pretrained),
            system=Trained(even),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(fine_tuned), system=Trained(even)),
    sample=OF_TWO_KINDS,
    setup="SciFact's titles with its abstracts stand in for two billion pairs of questions and answers, its training "
    "claims with the abstracts that are evidence and one document of BM25 each for MS MARCO, and titles and "
    "descriptions of the included corpus, of which nothing is trained on, for BEIR. SmolLM2's embeddings, which stay, "
    "and first two layers stand in for T5 of 110 million to 4.8 billion weights, its first layer for the smaller "
    "model; vectors are as wide as its states, theirs 768 of every size. Stages share the steps evenly, theirs as "
    "800,000 to 20,000, of which a hundred would leave two to the second. AdamW for Adafactor, batches of 32 for "
    "2,048. Of the paper its abstract was read, and the authors' code, whose losses of both directions are summed and "
    "whose mined documents are no rows of the second one. A column `judged`, 0 or 1, tells weak pairs from judged "
    "ones; without it both stages train on all rows. That a tenth of the judged pairs is as good is not measured: no "
    "difference shows it. The ceiling is trained on other titles of the field that is asked.",
)
def gtr() -> Recipe:
    """Ni et al. 2021 and their code: both directions at 0.01, batches of 2,048, one mined negative, a linear layer."""
    return in_stages()
