"""ANCE: negatives from the top of the model's own search in the whole corpus, mined anew as it learns."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.encoders.adapting import first_token
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, self_mined
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, nearest_other
from counterpoint.testbeds.unmarked import FEW_TITLES
from counterpoint.training import TrainConfig

_TOP = found("mrr@10")
_TEMPERATURE = 0.05


def pairwise() -> Objective:
    """Each query's positive against its own negative: two scores, and nothing else of the batch."""
    return InfoNCE(_TEMPERATURE, relation=Relation(negative=own_mined))


def renewed(times: int) -> Recipe:
    """Warmed up on negatives of BM25, then on its own, which are mined anew so often."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=2e-4)
    first = Stage(pairwise, train, prepare=(bm25_negatives(1),))
    mined = (self_mined(1, depth=200, draw=uniform),)
    second = replace(first, train=replace(train, epochs=3, learning_rate=1e-6), prepare=mined, renewals=times)
    return Recipe("ANCE", (first, second), Takes("text", "text"), adapt=first_token)


def mined_once() -> Recipe:
    """By the model that was warmed up, and never again."""
    return renewed(0)


def bm25_alone() -> Recipe:
    """On negatives of BM25 all the time."""
    recipe = ance()
    return replace(recipe, name="BM25 negatives", stages=recipe.stages[:1])


def in_batch() -> Recipe:
    """Against the passages of the other queries."""
    return bm25_alone().varied("in-batch negatives", prepare=(), objective=lambda: InfoNCE(_TEMPERATURE))


_CEILING = Richer(Trained(bm25_alone), LONGER_SCIFACT)


@system(
    "ANCE",
    title="Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval",
    year=2020,
    family="retrieval",
    mechanism="tests/systems/test_ance.py::test_loss_is_that_of_a_naive_loop_over_pairs_of_two_scores",
    claims=(
        Claim(
            "Negatives that the model itself finds, mined anew, beat those of BM25",
            _TOP,
            "BM25 negatives, same steps",
            SCIFACT,
            Trained(bm25_alone),
            off=Trained(mined_once),
            ceiling=_CEILING,
        ),
        Claim(
            "They beat in-batch negatives",
            _TOP,
            "in-batch negatives, same steps",
            SCIFACT,
            Trained(in_batch),
            ceiling=_CEILING,
        ),
        Claim(
            "The retriever that they train finds more than BM25",
            _TOP,
            "BM25",
            SCIFACT,
            LEXICAL,
            ceiling=_CEILING,
            floors=("untrained",),
        ),
    ),
    signal=Signal(nearest_other, off=Trained(mined_once)),
    sample=FEW_TITLES,
    setup="Training waits while negatives are mined, ten times, each time for all queries; the authors' inferencer "
    "works beside the trainer, which so has negatives of a model of some steps before, sixty times, and takes a "
    "fifth of the queries at a time. One negative of the first 200 is drawn a query, theirs are 20, each a pair "
    "of its own. Their scores are inner products after a linear layer and a LayerNorm, which leaves vectors of "
    "about one length, as they come from a RoBERTa, close together in angle; here they are cosines at a "
    "temperature of 0.05, and no layer is added. AdamW stands in for LAMB, and no rate is warmed up again. A "
    "table of token vectors stands in for RoBERTa, claims and abstracts for questions and passages. The ceiling "
    "has the test's claims among its training claims.",
)
def ance() -> Recipe:
    """Xiong et al. 2020 and their code: a pairwise loss, and 200 passages to draw from, of which none is marked."""
    return renewed(10)
