"""CLAIF: a language model fills masked words in and grades the pairs, and the cosine must be the grade."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.generating import Generator, pairs_graded, pairs_kept, pairs_written
from counterpoint.methods import Prepare, Recipe, Stage, Takes
from counterpoint.objectives import Objective, PairRegression, ScoredInfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, cls_with_dropout, simcse, supervised
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.filled import FILLED, FILLED_TITLES, Grader
from counterpoint.testbeds.texts import SENTENCES, alignment_of_like
from counterpoint.testbeds.triplets import RIGHT
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

TEMPERATURE = 0.05
"""Of CLHAIF."""


def graded() -> Prepare:
    """A step before training: by the stand-in for a language model."""
    return pairs_graded(Generator(Grader()))


def alike_or_not(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: every pair is alike; those that are added to them are not."""
    del encoder, seed
    return replace(data, columns={**data.columns, "score": torch.ones(len(data))})


def shuffled_grades() -> Recipe:
    """Grades of other pairs."""
    return claif().varied("CLAIF, grades of others", prepare=(graded(), pairs_kept(), shuffled("score")))


def ungraded() -> Recipe:
    """Versions are all alike, and other sentences are not."""
    return claif().varied("CLAIF, not graded", prepare=(alike_or_not, pairs_kept(most=9, smoothing=0.0)))


def weighed() -> Objective:
    """A premise's entailment against all others and all contradictions, times its grade."""
    return ScoredInfoNCE(TEMPERATURE)


def clhaif() -> Recipe:
    """People's pairs: supervised SimCSE whose rows count by the grade of the entailment."""
    return supervised().varied("CLHAIF", objective=weighed, prepare=(graded(),))


def with_generator(generator: Generator, judge: Generator | None = None) -> Recipe:
    """All of it, on texts alone: a generator fills in, and grades, if there is no other judge."""
    steps = (pairs_written(generator), pairs_graded(judge or generator), pairs_kept())
    return claif().varied("CLAIF", takes=Takes("text"), prepare=steps)


@system(
    "CLAIF",
    title="Improving Contrastive Learning of Sentence Embeddings from AI Feedback",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_claif.py::test_loss_is_the_squared_error_of_a_naive_loop_over_graded_pairs",
    variants={"CLHAIF": clhaif},
    claims=(
        Claim(
            "Pairs that a language model writes and grades are better than dropout",
            spearman,
            "SimCSE on 28,000 sentences",
            FILLED,
            Richer(Trained(simcse), SENTENCES),
            off=Trained(shuffled_grades),
            ceiling=CEILING,
        ),
        Claim(
            "Grades are better than alike or not",
            spearman,
            "1 for every version, 0 for others",
            FILLED,
            Trained(ungraded),
            ceiling=CEILING,
        ),
        Claim(
            "Grades improve training on people's entailments and contradictions",
            spearman,
            "supervised SimCSE",
            RIGHT,
            Trained(supervised),
            system=Trained(clhaif),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(shuffled_grades)),
    sample=FILLED_TITLES,
    setup="Rules stand in for text-davinci-003 as it fills masks in: with a word that follows the one before somewhere "
    "in the sentences, which reads much worse; unmasked sentences lose a word in place of being paraphrased. "
    "all-MiniLM-L6-v2, which has learned from people's pairs, grades in its place, by its cosine in tenths. "
    "`with_generator` has a language model of one's own do both, by prompts of our own: one of a sentence without "
    "masks asks for a paraphrase, where the released code asks so of the first of each call alone. A version in which "
    "a mask is left is asked for again before it is left out. SimCSE sees 93 times as many sentences, for as many "
    "steps. CLHAIF's loss is that of its released script, which multiplies each row by its grade; the contradictions "
    "have grades there, too, which are not used. The start is the first layer of SmolLM2, causal, so that the mean of "
    "its states stands in for [CLS]; 200 steps of 64, a rate of 5e-4, and the last weights, not those that are best on "
    "STS-B's development part. The ceiling is the same model trained on STS-B's judgements.",
)
def claif() -> Recipe:
    """Cheng et al. 2023 and their code: mean squared error of cosines and smoothed grades, [CLS], no head."""
    train = TrainConfig(epochs=3, batch_size=32, learning_rate=2e-5, warmup=0.1, schedule="linear")
    stage = Stage(PairRegression, train, prepare=(graded(), pairs_kept()))
    return Recipe("CLAIF", (stage,), Takes("text", "text", ("pairs",)), adapt=cls_with_dropout)
