"""Conan-embedding: hard negatives are exchanged when they have become easy, beside pairs by their likeness."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.easy import replaced_when_easy
from counterpoint.objectives import CoSENT, InfoNCE, Objective, Only
from counterpoint.relation import Relation, own_mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import nearest_other
from counterpoint.testbeds.two_tasks import FEW_TWO_TASKS, LONGER_TWO_TASKS, TWO_TASKS
from counterpoint.training import TrainConfig

_TOP = found("ndcg@10")
_TEMPERATURE, _WEIGHT, _NEGATIVES = 0.05, 0.8, 4


def balanced() -> Objective:
    """Queries against their own negatives alone, and 0.8 of the order of pairs by their likeness."""
    retrieval = Only("task", 0, InfoNCE(_TEMPERATURE, relation=Relation(negative=own_mined)))
    return retrieval + _WEIGHT * CoSENT(_TEMPERATURE, column="likeness")


def in_batch() -> Objective:
    """The same with the batch's passages for negatives."""
    return Only("task", 0, InfoNCE(_TEMPERATURE)) + _WEIGHT * CoSENT(_TEMPERATURE, column="likeness")


def by_task(data: Data, encoder: object, seed: int) -> Data:
    """A step before training: rows without a `likeness` are of retrieval (`task` 0), the others of likeness (1)."""
    del encoder, seed
    likeness = data.columns.get("likeness", torch.full((len(data),), torch.nan))
    return replace(data, columns={**data.columns, "likeness": likeness, "task": (~likeness.isnan()).long()})


def renewed(times: int) -> Recipe:
    """Weak pairs first, then hard negatives that are looked at so often."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=1e-5, weight_decay=0.001, warmup=0.05)
    first = Stage(in_batch, train, prepare=(by_task,))
    mined = (by_task, replaced_when_easy(_NEGATIVES))
    second = replace(first, objective=balanced, train=replace(train, epochs=3), prepare=mined, renewals=times)
    return Recipe("Conan-embedding", (first, second), Takes("text", "text"))


def never() -> Recipe:
    """The negatives that were mined before the stage, to its end."""
    return renewed(0)


def without_hard() -> Recipe:
    """The batch's passages for negatives in the second stage, too."""
    return renewed(0).varied("in-batch negatives", prepare=(by_task,), objective=in_batch)


_CEILING = Richer(Trained(without_hard), LONGER_TWO_TASKS)


@system(
    "Conan-embedding",
    title="Conan-embedding: General Text Embedding with More and Better Negative Samples",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_conan.py::test_negatives_that_have_become_easy_are_exchanged_for_the_next_of_the_list",
    claims=(
        Claim(
            "Exchanging hard negatives that have become easy beats keeping them",
            _TOP,
            "those that were mined before, same steps",
            TWO_TASKS,
            Trained(never),
            ceiling=_CEILING,
        ),
        Claim(
            "Hard negatives so exchanged beat in-batch negatives",
            _TOP,
            "in-batch negatives, same steps",
            TWO_TASKS,
            Trained(without_hard),
            off=Trained(never),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(never)),
    sample=FEW_TWO_TASKS,
    setup="The order of events is theirs, the sizes are not: a first stage of in-batch contrast, then negatives that "
    "are looked at ten times, evenly spread, where they look every 100 steps. The list is mined once, by the "
    "model as it is before the second stage; who mined theirs, and whether it is mined anew, they do not say. "
    "They compare with the first score; after an exchange it is that of the new negatives here. Their negatives "
    "of one query are spread over GPUs; here they are four, all in one softmax, as their loss has it: their own "
    "negatives and no passage of another query. Each batch has rows of both tasks, drawn from all, where theirs "
    "has one task on some GPUs and the other on the others. They print no temperature; it is 0.05 for both "
    "losses. The linear layer to 1,792 dimensions and Matryoshka training are left out. A table of token vectors "
    "stands in for BERT, claims and abstracts for retrieval, STS-B for likeness. Plain pairs are all of "
    "retrieval. The ceiling has the test's claims among its training claims.",
)
def conan() -> Recipe:
    """Li et al. 2024: own negatives and CoSENT in one step, weight 0.8; negatives from place 10 on, looked at often."""
    return renewed(10)
