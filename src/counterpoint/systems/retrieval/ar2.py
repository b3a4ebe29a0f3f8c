"""AR2: a retriever that finds what a ranker cannot tell from the answer, and a ranker that learns from that."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives, self_mined, taught
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import AgainstRanker, Apart, DistillKL, InfoNCE, Objective
from counterpoint.procedures import Lists, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval.dpr import question_and_passage
from counterpoint.systems.retrieval.r2anker import COSINE, INNER
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, nearest_other
from counterpoint.testbeds.unmarked import FEW_TITLES
from counterpoint.training import TrainConfig

_TOP = found("mrr@10")
_ADVERSARIAL = 0.5
_NEGATIVES, _DEPTH = 15, 100
_ROUNDS, _FEW_ROUNDS = 16, 4


def in_batch(compared: dict[str, Any]) -> Objective:
    """Each question with all passages of the batch."""
    return InfoNCE(**compared)


def both_terms(compared: dict[str, Any]) -> Objective:
    """Half of what the ranker finds hard, half of what it says."""
    return Apart("owned", _ADVERSARIAL * AgainstRanker(**compared) + (1 - _ADVERSARIAL) * DistillKL(**compared))


def distillation(compared: dict[str, Any]) -> Objective:
    """What the ranker says alone."""
    return Apart("owned", DistillKL(**compared))


def adversarial(compared: dict[str, Any]) -> Objective:
    """What the ranker finds hard alone."""
    return Apart("owned", AgainstRanker(**compared))


def labels(compared: dict[str, Any]) -> Objective:
    """The positive, whatever the ranker says."""
    return Apart("owned", InfoNCE(**compared))


def own_lists(width: int) -> Procedure:
    """Each query's list with the ranker's scores."""
    del width
    return Lists()


def rounds(number: int, ranker: int = 200, compared: dict[str, Any] = INNER) -> Recipe:
    """A retriever that has warmed up, then so many rounds with a ranker that learns for so many steps in each."""
    train = TrainConfig(epochs=5, batch_size=128, learning_rate=2e-5, clip=2.0, schedule="linear", warmup=0.1)
    first = Stage(partial(in_batch, compared), train, prepare=(bm25_negatives(1),))
    second = Stage(
        partial(both_terms, compared),
        replace(train, epochs=3, batch_size=64, learning_rate=1e-5),
        procedure=own_lists,
        prepare=(self_mined(_NEGATIVES, depth=_DEPTH, draw=uniform), taught(ranker)),
        renewals=number - 1,
    )
    takes = Takes("text", "text")
    return Recipe(
        "AR2", (first, second), takes, similarity="cosine" if compared is COSINE else "dot", adapt=question_and_passage
    )


def in_small() -> Recipe:
    """In fewer rounds, rankers that learn for half as long, and cosines."""
    return rounds(_FEW_ROUNDS, 100, COSINE)


def one_round() -> Recipe:
    """The retriever's lists and the ranker stay what they are at first."""
    return rounds(1, 100, COSINE)


def without_ranker() -> Recipe:
    """The same lists, renewed as often, of which the labels are learned."""
    return in_small().varied("AR2 without a ranker", objective=partial(labels, COSINE))


def distilled() -> Recipe:
    """The ranker's distribution alone."""
    return in_small().varied("AR2, distillation", objective=partial(distillation, COSINE))


def adversarial_alone() -> Recipe:
    """Without the ranker's distribution."""
    return in_small().varied("AR2 without distillation", objective=partial(adversarial, COSINE))


def warmed_up() -> Recipe:
    """The first stage alone."""
    recipe = in_small()
    return replace(recipe, name="no second stage", stages=recipe.stages[:1])


_CEILING = Richer(Trained(warmed_up), LONGER_SCIFACT)


@system(
    "AR2",
    title="Adversarial Retriever-Ranker for dense text retrieval",
    year=2021,
    family="retrieval",
    mechanism="tests/systems/test_ar2.py::test_loss_is_that_of_a_naive_loop_over_what_the_ranker_finds_hard",
    claims=(
        Claim(
            "A retriever that trains against a ranker finds more than one that learns from its own negatives alone",
            _TOP,
            "the same lists without a ranker, same steps",
            SCIFACT,
            Trained(without_ranker),
            system=Trained(in_small),
            off=Trained(distilled),
            ceiling=_CEILING,
        ),
        Claim(
            "It finds more than it did before",
            _TOP,
            "the first stage alone, same steps",
            SCIFACT,
            Trained(warmed_up),
            system=Trained(in_small),
            off=Trained(without_ranker),
            ceiling=_CEILING,
        ),
        Claim(
            "In several rounds, each with new lists and a ranker that learns from them, it learns more than in one",
            _TOP,
            "one round, same steps",
            SCIFACT,
            Trained(one_round),
            system=Trained(in_small),
            ceiling=_CEILING,
        ),
        Claim(
            "What the ranker says of each list, beside what it finds hard, makes a better retriever",
            _TOP,
            "what it finds hard alone, same steps",
            SCIFACT,
            Trained(adversarial_alone),
            system=Trained(in_small),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(without_ranker), system=Trained(in_small)),
    sample=FEW_TITLES,
    setup="In each round the ranker begins afresh and learns from the lists that the retriever then finds, where "
    "theirs goes on from what it was, after a warm-up; here it is small, kernels on the cosines of every two tokens, "
    f"for ERNIE-large. Retrieval waits for it. Claims are measured in {_FEW_ROUNDS} rounds for {_ROUNDS}, with "
    "rankers of 100 steps for 500, and by cosines at a temperature of 0.05 for inner products, by which such a table "
    "learns less than it forgets. A user's run has 200, and 5 and 3 passes "
    "over the data, where theirs come to some 87 and 26. Both terms are means over queries; their code sums the "
    "adversarial one over the eight queries of a process, so that it weighs eight times as much, and adds 1e-7 within "
    "logarithms. A list's 15 negatives are drawn once a round, theirs at every visit, and passages are negatives if "
    "they are not marked, where theirs may not hold the answer. The first retriever is pre-trained by titles, theirs "
    "by the inverse cloze task. Two tables of token vectors stand in for ERNIE, claims and abstracts for questions "
    "and passages. Of the paper its abstract was read, and its code. The ceiling has the test's claims among its "
    "training claims.",
)
def ar2() -> Recipe:
    """Zhang et al. 2021 and their code: 15 of the first 100, both terms by half, 16 rounds."""
    return rounds(_ROUNDS)
