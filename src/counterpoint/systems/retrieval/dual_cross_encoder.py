"""Dual-Cross-Encoder: a document is read after queries that it may answer, and has a vector of each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from counterpoint.encoders.adapting import first_token
from counterpoint.encoders.queried import after_queries
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval.r2anker import COSINE, INNER
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.queried import FEW_QUERIED, QUERIED, SEEN_QUERIED, told_behind
from counterpoint.training import TrainConfig
from counterpoint.views import after_their_query

QUERIES, NEGATIVES = 10, 7
"""Of a document, where it is searched; of a query, from BM25."""
_TOP = found("mrr@10")
mined = bm25_negatives(NEGATIVES)


def reading(encoder: nn.Module, most: int = QUERIES) -> nn.Module:
    """The first token of a document after each of so many queries."""
    return after_queries(first_token(encoder), most)


def trained(compared: dict[str, Any]) -> Recipe:
    """The query before its positive and its hard negatives, which are negatives of everybody."""
    train = TrainConfig(epochs=10, batch_size=32, learning_rate=5e-6, schedule="linear")
    stage = Stage(partial(InfoNCE, **compared), train, prepare=(mined, after_their_query))
    recipe = Recipe("Dual-Cross-Encoder", (stage,), Takes("text", "text"), adapt=reading)
    return recipe if compared is COSINE else replace(recipe, similarity="dot")


def by_cosine() -> Recipe:
    """By cosines at a temperature of 0.05."""
    return trained(COSINE)


def documents_alone() -> Recipe:
    """A dual encoder: documents by themselves, with the same hard negatives."""
    return by_cosine().varied("documents alone", prepare=(mined,), adapt=partial(reading, most=0))


def one_query() -> Recipe:
    """One query a document where it is searched."""
    return by_cosine().varied("Dual-Cross-Encoder, one query", adapt=partial(reading, most=1))


def without_hard() -> Recipe:
    """No document is contrasted with another after the same query."""
    return by_cosine().varied("Dual-Cross-Encoder, in-batch negatives", prepare=(after_their_query,))


_CEILING = Richer(Trained(documents_alone), SEEN_QUERIED)


@system(
    "Dual-Cross-Encoder",
    title="Learning Diverse Document Representations with Deep Query Interactions for Dense Retrieval",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_dual_cross_encoder.py::test_loss_is_that_of_a_naive_loop_over_documents_after_their_query",
    claims=(
        Claim(
            "Documents that are read after queries written of them are found better than documents by themselves",
            _TOP,
            "documents by themselves, same hard negatives and steps",
            QUERIED,
            Trained(documents_alone),
            system=Trained(by_cosine),
            ceiling=_CEILING,
        ),
        Claim(
            "Ten queries a document find more than one",
            _TOP,
            "one query a document, same training",
            QUERIED,
            Trained(one_query),
            system=Trained(by_cosine),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(told_behind, off=Trained(without_hard), system=Trained(by_cosine)),
    sample=FEW_QUERIED,
    setup="Titles stand in for questions, descriptions of packages for passages. What writes ten titles of a "
    "description is no T5: it copies four of its words, each the more likely the more training titles had it of those "
    "whose descriptions did; `generating.with_queries` takes any model. In training the title itself stands before its "
    "description and before seven of BM25's, as theirs does. The first layer of SmolLM2, which is causal, with dropout "
    "of 0.1, mean-pooled, stands in for BERT: a line ends between title and description, and the description has read "
    "the title; of a transformer that looks both ways the method takes [CLS]. Its vectors are so long that inner "
    "products at a temperature of 1 say nothing, and claims are measured by cosines at 0.05. Negatives are those of "
    "everybody; theirs of one GPU are not seen by the others. Lengths are the encoder's, 16 tokens for queries and 128 "
    "for pairs in their code. Of the paper its abstract was read, and the authors' code. Pre-training on written "
    "queries, worth 2.8 points for both sides there, is left out. The ceiling has the test's titles among its "
    "training titles.",
)
def dual_cross_encoder() -> Recipe:
    """Li et al. 2022 and their code: 32 queries with 8 passages each, inner products, tied encoders, 10 queries."""
    return trained(INNER)
