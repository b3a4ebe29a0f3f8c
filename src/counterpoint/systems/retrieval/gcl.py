"""GCL: a pair counts by its score, which says how high the document stands in the query's list; texts have fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.wrapping import in_fields
from counterpoint.methods import Prepare, Recipe, Stage, Takes
from counterpoint.objectives import Objective, ScoredInfoNCE
from counterpoint.procedures import KeysKnow
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.scored_lists import KNOWN_QUERIES, NEW_DOCUMENTS, SCORED_TITLES, SEEN_DOCUMENTS, score_gap
from counterpoint.training import TrainConfig

_TOP = found("ndcg@10")


def loss() -> Objective:
    """`w_i` times the cross-entropy of a query's own document, and of a document's own query."""
    return ScoredInfoNCE(0.05, layout="symmetric")


def by_score(weigh: Callable[[Tensor], Tensor]) -> Prepare:
    """A step before training: rows weigh what this makes of their score, their mean being 1."""

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        weight = weigh(data.columns["score"].float())
        return replace(data, columns={**data.columns, "score": weight / weight.nanmean()})

    return prepare


def weighed(weigh: Callable[[Tensor], Tensor]) -> Recipe:
    """Pairs weigh this by their score."""
    train = TrainConfig(epochs=5, batch_size=256, learning_rate=1e-4, warmup=0.1, schedule="cosine")
    stage = Stage(loss, train, procedure=lambda _width: KeysKnow(("score",)), prepare=(by_score(weigh),))
    return Recipe("GCL", (stage,), Takes("text", "text", ("scored",)), adapt=partial(in_fields, shares=(0.5, 0.5)))


def linear(score: Tensor) -> Tensor:
    """The score itself, which falls evenly with the place on the list."""
    return score


def scored() -> Recipe:
    """A pair weighs its score."""
    return weighed(linear)


def alike() -> Recipe:
    """All pairs weigh the same: CLIP's loss."""
    return weighed(torch.ones_like)


_CEILING = Richer(Trained(scored), SEEN_DOCUMENTS)


@system(
    "GCL",
    title="Generalized Contrastive Learning for Multi-Modal Retrieval and Ranking",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_gcl.py::test_loss_is_that_of_a_naive_loop_over_pairs_by_their_score",
    claims=(
        Claim(
            "Pairs that weigh their score rank documents of known queries better than pairs that all weigh the same",
            _TOP,
            "all pairs weigh the same, same pairs and steps",
            KNOWN_QUERIES,
            Trained(alike),
            ceiling=_CEILING,
        ),
        Claim(
            "They rank new documents better, too",
            _TOP,
            "all pairs weigh the same, same pairs and steps",
            NEW_DOCUMENTS,
            Trained(alike),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(score_gap, off=Trained(alike)),
    sample=SCORED_TITLES,
    setup="Names of WN18RR's entities stand in for queries, entities with name and gloss for products with picture and "
    "title, and how few facts lie between them for the place in a shop's list of results. So both fields are texts, "
    "and one table of token vectors encodes all, where theirs are CLIP's towers (a variant of theirs is E5, for texts "
    "alone). Their function from scores to weights, temperature, batch and rates are not in what they released: "
    "weights are the scores over their mean, so that both arms learn at one rate, the temperature 0.05, and the loss "
    "is the mean over rows of weight times cross-entropy. Other documents of a query, where a batch has them, are no "
    "negatives here; theirs are. Fields weigh the same, and the mean is taken to length one. All arms have fields, so "
    "that weights alone are compared. Of their four splits two are asked for, known queries with known and with new "
    "documents: a table from scratch knows little of a name that it has not read, and in a trial seed both arms were "
    "at 0.37 there. The ceiling has the new documents among its training documents and three times the steps.",
)
def gcl() -> Recipe:
    """Zhu et al. 2024: weights fall evenly, as the score does; each field has half of a vector."""
    return scored()
