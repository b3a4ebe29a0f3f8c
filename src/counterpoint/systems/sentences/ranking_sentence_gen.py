"""RankingSentenceGen: an encoder goes on with lists that lead away from a sentence, ranked by teacher and order."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.generating import Generator, rewritten
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.teachers import own_vectors
from counterpoint.objectives import ListMLE, Objective
from counterpoint.procedures import OrderedLists, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, mlp
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.rewritten import LISTS, ROUNDS, TITLE_LISTS
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

TEMPERATURE, TEACHER, OMEGA, LONGEST = 0.05, 0.05, 0.5, 33
"""Of the student's and the teacher's cosines; the order's weight; texts of a list."""


def as_lists(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each text of a row is an item, with the number of its `list` and its `place` there."""
    del encoder, seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    there = torch.cat([torch.ones(len(data), 1, dtype=torch.bool), data.positives >= 0], 1)
    number, place = there.nonzero(as_tuple=True)
    # the texts of both sides, one after the other
    rows = torch.cat([data.anchor[:, None], data.positives + len(data.anchors)], 1)
    texts = Items("text", [*data.anchors.texts, *data.others.texts])
    return Data(texts, rows[there], columns={"list": number, "place": place}, source=data.source)


def loss() -> Objective:
    """Every text of a list ranks all of them."""
    return ListMLE(TEMPERATURE)


def in_order(_width: int) -> Procedure:
    """By the teacher and the order."""
    return OrderedLists(OMEGA, TEACHER)


def by_teacher(_width: int) -> Procedure:
    """By the teacher."""
    return OrderedLists(0.0, TEACHER)


def teacher_alone() -> Recipe:
    """The order says nothing."""
    return ranking_sentence_gen().varied("RankingSentenceGen, teacher alone", procedure=by_teacher)


def out_of_order() -> Recipe:
    """Places of other texts."""
    steps = (as_lists, shuffled("place"), own_vectors())
    return ranking_sentence_gen().varied("RankingSentenceGen, out of order", prepare=steps)


def with_generator(generator: Generator, rounds: int = LONGEST - 1) -> Recipe:
    """All of it, on texts alone: the generator writes the lists."""
    recipe = ranking_sentence_gen()
    steps = (rewritten(generator, rounds), *recipe.stages[0].prepare)
    return recipe.varied(recipe.name, takes=Takes("text"), prepare=steps)


@system(
    "RankingSentenceGen",
    title="Refining Sentence Embedding Model through Ranking Sentences Generation with Large Language Models",
    year=2025,
    family="sentences",
    mechanism="tests/systems/test_ranking_sentence_gen.py::test_loss_is_that_of_a_naive_loop_over_one_list",
    claims=(
        Claim(
            "Ranked lists improve an encoder that is trained already",
            spearman,
            "the encoder as it was",
            LISTS,
            Untrained(),
            off=Trained(out_of_order),
            ceiling=CEILING,
            floors=("raw",),
        ),
        Claim(
            "The lists' order improves on the teacher's likenesses",
            spearman,
            "the teacher alone",
            LISTS,
            Trained(teacher_alone),
            ceiling=CEILING,
        ),
        Claim(
            "It is the order that does it",
            spearman,
            "the same out of order",
            LISTS,
            Trained(out_of_order),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(teacher_alone)),
    sample=TITLE_LISTS,
    setup=f"Rules stand in for LLaMA-3-8B-Instruct: {ROUNDS} rewrites a sentence in place of {LONGEST - 1}, each with "
    "one word more left out or replaced, so that their order is known, and none is another way to say the same. "
    "`with_generator` has a language model of one's own write them, against the prompt before, as in the paper. "
    "SmolLM2's first layer after SimCSE on SNLI's triplets stands in for SynCSE and others that are gone on with, and "
    "it is its own teacher, in place of DiffCSE; a model keeps its own pooling. The teacher's temperature is that of "
    "RankCSE, whose code theirs builds on: theirs does not say it. It reads a sentence's place among those that follow "
    "another as a place in the list, so that likenesses of all but the first sentence are mostly lowered; here both "
    "are places among those that follow. The 1e-7 in their logarithms is left out. The weights are the last, not "
    "the best on labelled pairs, chosen every 25 steps. The ceiling is the same model trained on STS-B's judgements.",
)
def ranking_sentence_gen() -> Recipe:
    """He et al. 2025 and their code: ListMLE on a list a step, towards likenesses that are moved by the order."""
    train = TrainConfig(
        epochs=1, batch_size=LONGEST, learning_rate=3e-6, weight_decay=0.0, schedule="linear", warmup=0.0
    )
    steps = (as_lists, own_vectors())
    stage = Stage(loss, train, head=mlp, procedure=in_order, views=1, together="list", prepare=steps)
    return Recipe("RankingSentenceGen", (stage,), Takes("text", "text"))
