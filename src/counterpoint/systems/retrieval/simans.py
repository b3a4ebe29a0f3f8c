"""SimANS: negatives are drawn near the positive's own score, neither far below it nor above."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, self_mined
from counterpoint.negatives.rules import Draw, near_positive, uniform
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval.dpr import question_and_passage
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, nearest_other
from counterpoint.testbeds.unmarked import FEW_TITLES
from counterpoint.training import TrainConfig

_TOP = found("mrr@10")
_TEMPERATURE = 0.05
_NARROW = 0.5 / _TEMPERATURE**2
"""Their 0.5 is of scores as the softmax sees them."""


def own_list() -> Objective:
    """Each query's positive against its own negatives."""
    return InfoNCE(_TEMPERATURE, relation=Relation(negative=own_mined))


def drawn(by: Draw | None) -> Recipe:
    """A retriever that has converged, then trained on 15 of the first 100 that it finds, drawn so."""
    train = TrainConfig(epochs=1, batch_size=128, learning_rate=1e-5)
    first = Stage(lambda: InfoNCE(_TEMPERATURE), train, prepare=(bm25_negatives(1),))
    mined = (self_mined(15, depth=100, draw=by),)
    second = replace(first, objective=own_list, train=replace(train, learning_rate=5e-6), prepare=mined, renewals=5)
    return Recipe("SimANS", (first, second), Takes("text", "text"), adapt=question_and_passage)


def at_random() -> Recipe:
    """Any of the first 100."""
    return drawn(uniform)


def nearest() -> Recipe:
    """The first 15."""
    return drawn(None)


def converged() -> Recipe:
    """The first stage alone."""
    recipe = simans()
    return replace(recipe, name="no second stage", stages=recipe.stages[:1])


_CEILING = Richer(Trained(converged), LONGER_SCIFACT)


@system(
    "SimANS",
    title="SimANS: Simple Ambiguous Negatives Sampling for Dense Text Retrieval",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_simans.py::test_negatives_are_drawn_by_the_distance_to_the_positives_score",
    claims=(
        Claim(
            "They improve a retriever that has converged",
            _TOP,
            "the first stage alone, same steps",
            SCIFACT,
            Trained(converged),
            off=Trained(at_random),
            ceiling=_CEILING,
        ),
        Claim(
            "Negatives drawn near the positive's score beat any of those that rank highest",
            _TOP,
            "drawn at random from the first 100, same steps",
            SCIFACT,
            Trained(at_random),
            ceiling=_CEILING,
        ),
        Claim(
            "They beat those that rank highest of all",
            _TOP,
            "the first 15, same steps",
            SCIFACT,
            Trained(nearest),
            off=Trained(at_random),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(at_random)),
    sample=FEW_TITLES,
    setup="The authors begin with AR2, a retriever trained with a reranker, and go on with the reranker's scores for "
    "targets; here it is a retriever trained as DPR is, and the target is the positive. Their scores are inner "
    "products and their a is 0.5; of cosines at a temperature of 0.05 it is 0.5 / 0.05^2 = 200, the same of what "
    "the softmax sees, and b is 0. Negatives are drawn anew five times. Of a query with several positives the "
    "first one's score counts, theirs is a random one's. Their scripts differ from their equation: for MS "
    "MARCO's passages they weigh by exp(-3 |s - s_pos|), and for Wikipedia b has the other sign; here it is the "
    "equation. A table of token vectors stands in for each BERT, claims and abstracts for questions and "
    "passages. The ceiling has the test's claims among its training claims.",
)
def simans() -> Recipe:
    """Zhou et al. 2022: 15 of the first 100 a query, drawn by `exp(-a (s - s_pos - b)^2)` with a = 0.5 and b = 0."""
    return drawn(near_positive(_NARROW))
