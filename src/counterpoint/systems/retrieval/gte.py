"""GTE: one denominator of questions and documents, each against all of both, in batches of one source each."""

from __future__ import annotations

from counterpoint.data.mixture import by_source
from counterpoint.encoders.adapting import mean_of_tokens
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval import e5
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.mixed import FEW_MIXED, LONGER_MIXED, MIXED
from counterpoint.testbeds.texts import ABSTRACTS, LONGER_SCIFACT, nearest_other
from counterpoint.training import TrainConfig

TEMPERATURE, EXPONENT = 0.01, 0.5
balanced, by_size, alike = by_source(EXPONENT), by_source(1.0), by_source(0.0)
"""Sources by the root of their size; by their size; all alike."""


def improved() -> InfoNCE:
    """All four kinds of pairs in one denominator."""
    return InfoNCE(TEMPERATURE, layout="joint")


def vanilla() -> InfoNCE:
    """Questions against the documents of the batch."""
    return InfoNCE(TEMPERATURE)


def one_way() -> Recipe:
    """The usual loss."""
    return gte().varied("GTE, the usual loss", objective=vanilla)


def as_they_are() -> Recipe:
    """Sources as large as they are."""
    return gte().varied("GTE, sources by size", prepare=(by_size,))


def all_alike() -> Recipe:
    """Sources of the same size."""
    return gte().varied("GTE, sources alike", prepare=(alike,))


_CEILING = Richer(Trained(e5.unfiltered), LONGER_SCIFACT)


@system(
    "GTE",
    title="Towards General Text Embeddings with Multi-stage Contrastive Learning",
    year=2023,
    family="retrieval",
    mechanism="tests/systems/test_gte.py::test_loss_is_that_of_a_naive_loop_over_four_kinds_of_pairs",
    claims=(
        Claim(
            "Sources by the root of their size are better than by their size",
            found("ndcg@10"),
            "sources by their size",
            MIXED,
            Trained(as_they_are),
            off=Trained(all_alike),
            ceiling=Richer(Trained(one_way), LONGER_MIXED),
        ),
        Claim(
            "Trained on weak pairs alone, without labels of the task, it finds more than BM25",
            found("ndcg@10"),
            "BM25",
            ABSTRACTS,
            LEXICAL,
            off=Trained(one_way),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "A denominator of all four kinds of pairs is better than that of questions with documents",
            found("ndcg@10"),
            "questions with documents alone",
            ABSTRACTS,
            Trained(one_way),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(as_they_are)),
    sample=FEW_MIXED,
    setup="A table of token vectors from scratch stands in for MiniLM and BERT, titles with abstracts for 788 million "
    "pairs of 33 sources; of two sources, SciFact's and the seven times larger included corpus, the test asks for "
    "both alike. Batches are of all 5,183 pairs, or what the bed says, for 16,384. A small source's rows are there "
    "several times in an epoch, so that the shares are exact, where theirs draws a source for each batch. Copies of "
    "a text in a batch are no negatives. The second stage, on labelled triples with mined negatives, and their merge "
    "into the sum of documents, are left out. Of the paper a translation was read, and there is no public code of "
    "its training. The ceiling has the test's claims among its training claims.",
)
def gte() -> Recipe:
    """Li et al. 2023, the loss of section 3.3 at temperature 0.01; batches of one source, by the root of its size."""
    train = TrainConfig(epochs=1, batch_size=16_384, learning_rate=2e-4, schedule="linear", warmup=0.05)
    stage = Stage(improved, train, together="source", prepare=(balanced,))
    return Recipe("GTE", (stage,), Takes("text", "text"), adapt=mean_of_tokens)
