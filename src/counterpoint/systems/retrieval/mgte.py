"""mGTE: a dense vector that may be cut short and weights of a text's own tokens, trained together on hard negatives."""

from __future__ import annotations

from functools import partial

from counterpoint.encoders.hybrid import dense_and_sparse
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import InfoNCE, Matryoshka, Objective, Part
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Seen, Trained
from counterpoint.testbeds.hybrid import HYBRID, SEEN_HYBRID, found_by, unequal_weights
from counterpoint.testbeds.unmarked import FEW_TITLES
from counterpoint.training import TrainConfig

DIMENSIONS = (32, 64, 128, 256, 512, 768)
DENSE, SPARSE = 0.05, 0.01
"""Temperatures of both scores."""
SHARE = DENSE / SPARSE
"""Of the sparse score in the sum: both then count as the softmax that they were trained in has them."""


def of_dense() -> Objective:
    """Cosines of the first 32, 64, ... dimensions, and of all."""
    return Matryoshka(InfoNCE(DENSE), DIMENSIONS)


def of_both() -> Objective:
    """That, and the products of weights, which are `SHARE` times as large in vectors that hold both."""
    return of_dense() + Part(InfoNCE(SPARSE * SHARE, geometry=Dot()), DIMENSIONS[-1])


def dense_alone() -> Recipe:
    """Weights of tokens stay what they begin as, all the same."""
    return mgte().varied("mGTE, dense alone", objective=of_dense)


def mgte() -> Recipe:
    """Zhang et al. 2024, fine-tuning: eight hard negatives, temperatures of 0.05 and 0.01, prefixes from 32 to 768."""
    train = TrainConfig(epochs=10, batch_size=128, learning_rate=2e-5, schedule="linear", warmup=0.1)
    stage = Stage(of_both, train, prepare=(bm25_negatives(8),))
    adapt = partial(dense_and_sparse, share=SHARE)
    return Recipe("mGTE", (stage,), Takes("text", "text"), similarity="dot", adapt=adapt)


_CEILING = Richer(Trained(mgte), SEEN_HYBRID)


system(
    "mGTE",
    title="mGTE: Generalized Long-Context Text Representation and Reranking Models for Multilingual Text Retrieval",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_mgte.py::test_loss_is_that_of_a_naive_loop_over_prefixes_and_shared_tokens",
    claims=(
        Claim(
            "Both scores together find more than the dense one alone",
            found_by("both"),
            "the dense part of the same vectors",
            HYBRID,
            Seen(None, found_by("dense")),
            ceiling=_CEILING,
            floors=("raw",),  # untrained, both scores count shared words
        ),
        Claim(
            "They find more than the sparse one alone",
            found_by("both"),
            "the sparse part of the same vectors",
            HYBRID,
            Seen(None, found_by("sparse")),
            off=Seen(Trained(dense_alone), found_by("dense")),
            ceiling=_CEILING,
            floors=("raw",),  # untrained, both scores count shared words
        ),
    ),
    signal=Signal(unequal_weights, off=Trained(dense_alone)),
    sample=FEW_TITLES,
    setup="This is the fine-tuning of their retriever; its code is not public. The encoder that they train from "
    "scratch (rotary positions, 8,192 tokens, 75 languages), the contrastive pre-training on weak pairs, of which "
    "E5's and GTE's here are like it, and the reranker are left out, so that nothing is said of long texts or of many "
    "languages. A table of token vectors that has seen titles and abstracts stands in for the pre-trained encoder: a "
    "token's weight is then the same in every text. The weights of the losses are not told: all are 1 here. Which "
    "prefixes lie between 32 and 768 is not told either: here each is twice the one before; a narrower vector is "
    "filled up with zeros, and its longer prefixes are all the same. Rate and batch are ours. They add 0.001 to 0.01 "
    "of the sparse score to the dense one, as their weights are large; here all begin at 0.1, and the share is that of "
    "both temperatures, 5. Hard negatives are BM25's, copies of a query's own abstract are no negatives, and batches "
    "are of 32 queries. The ceiling has the test's claims among its training claims.",
)(mgte)
