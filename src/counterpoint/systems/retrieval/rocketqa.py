"""RocketQA: negatives of all processes, hard ones that a cross-encoder has read, and questions that it has answered."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.data.items import Data
from counterpoint.methods import Prepare, Recipe, Stage, Takes
from counterpoint.negatives.denoising import denoised
from counterpoint.negatives.prepare import self_mined
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval.dpr import question_and_passage
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import nearest_other
from counterpoint.testbeds.unmarked import FEW_HALF_LABELLED, HALF_LABELLED, UNMARKED, no_copy
from counterpoint.training import TrainConfig

_TOP = found("mrr@10")
_TEMPERATURE = 0.05


def prepared(*steps: Prepare) -> Recipe:
    """A first retriever, and a second one that begins afresh with what it and these steps make of the data.

    The positives and hard negatives of all are negatives of everybody.
    """
    train = TrainConfig(epochs=10, batch_size=512, learning_rate=3e-5, weight_decay=0.0, warmup=0.1, schedule="linear")
    first = Stage(lambda: InfoNCE(_TEMPERATURE), train)
    stages = (first, replace(first, prepare=steps, afresh=True))
    return Recipe("RocketQA", stages, Takes("text", "text"), adapt=question_and_passage)


def answered(data: Data, encoder: object, seed: int) -> Data:
    """A step before training: rows that have a positive."""
    del encoder, seed
    assert data.positives is not None
    return data[(data.positives >= 0).any(1)]


def unread() -> Recipe:
    """The first that the retriever finds, whatever it is."""
    return prepared(answered, self_mined(1, depth=50))


def unanswered() -> Recipe:
    """Without the questions that nobody has answered."""
    return prepared(answered, denoised(1))


def in_batch() -> Recipe:
    """No hard negatives, and no questions that nobody has answered."""
    return prepared(answered)


def oracle() -> Recipe:
    """The first that the retriever finds, for who knows what is an answer."""
    return prepared(answered, self_mined(1, depth=50, keep=(no_copy,)))


@system(
    "RocketQA",
    title="RocketQA: An Optimized Training Approach to Dense Passage Retrieval for Open-Domain Question Answering",
    year=2020,
    family="retrieval",
    mechanism="tests/systems/test_rocketqa.py::test_negatives_are_the_first_that_the_cross_encoder_takes_for_none",
    claims=(
        Claim(
            "Hard negatives that a cross-encoder has read beat those that it has not",
            _TOP,
            "the first that the retriever finds, same steps",
            HALF_LABELLED,
            Trained(unread),
            system=Trained(unanswered),
            ceiling=Trained(oracle),
        ),
        Claim(
            "They beat in-batch negatives",
            _TOP,
            "in-batch negatives, same steps",
            HALF_LABELLED,
            Trained(in_batch),
            system=Trained(unanswered),
            off=Trained(unread),
            ceiling=Trained(oracle),
        ),
        Claim(
            "Questions that the cross-encoder has answered improve the retriever further",
            _TOP,
            "without them, same steps",
            HALF_LABELLED,
            Trained(unanswered),
            ceiling=Richer(Trained(oracle), UNMARKED),
        ),
    ),
    signal=Signal(nearest_other, off=Trained(unread), system=Trained(unanswered)),
    sample=FEW_HALF_LABELLED,
    setup="Two stages stand for four steps: a first retriever; a cross-encoder that learns from what it finds; and a "
    "second retriever, afresh, with both the hard negatives that the cross-encoder gives less than 0.1 and the "
    "questions that it answers with more than 0.9, where the authors add the questions in a step of its own, "
    "mined by another retriever. Where fewer negatives are left they fill up with any below the first 50; here a "
    "row has none. Scores are cosines at a temperature of 0.05, theirs inner products. Batches are of 512 over "
    "all processes, theirs of 512 on each of eight. The cross-encoder is small, kernels on the cosines of every "
    "two tokens; a logistic regression makes probabilities of its scores. Questions that nobody has answered are "
    "rows without a positive: half of SciFact's training claims, theirs are 1.7 million. Of each abstract that "
    "answers a claim there is an unmarked copy in seven tenths of its words, and the oracle knows them; of the "
    "last claim it has all labels, too. Two tables of token vectors stand in for ERNIE.",
)
def rocketqa() -> Recipe:
    """Qu et al. 2021 and their code: the first of 50 that has less than 0.1, one a question."""
    return prepared(denoised(1))
