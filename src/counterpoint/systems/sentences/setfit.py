"""SetFit against fine-tuning: the cosine tells pairs of one class from pairs of two, and a classifier comes after."""

from __future__ import annotations

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.classes import class_pairs
from counterpoint.objectives import PairRegression
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import cls_with_dropout
from counterpoint.systems.sentences.supcl_seq import fine_tuned
from counterpoint.testbeds import Richer, Seen, Trained
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.figures import probe_accuracy, tolerant
from counterpoint.testbeds.sorted_texts import ALL_QUESTIONS, FEWER_QUESTIONS, QUESTIONS, SECTIONS
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

EACH = 20
"""Pairs of a text with its class, and with others."""


def shuffled_classes() -> Recipe:
    """Classes of other texts."""
    return setfit().varied("SetFit, classes of others", prepare=(shuffled("label"), class_pairs(EACH)))


_CEILING = Richer(Trained(fine_tuned), ALL_QUESTIONS)


@system(
    "SetFit comparison",
    title="Contrast Is All You Need",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_setfit.py::test_loss_is_the_mean_squared_error_of_cosines_of_pairs",
    claims=(
        Claim(
            "With few labels contrast of pairs, then a classifier, is more accurate than fine-tuning",
            probe_accuracy(),
            "fine-tuning, by its own classifier",
            FEWER_QUESTIONS,
            Seen(Trained(fine_tuned), accuracy(its_classifier)),
            off=Trained(shuffled_classes),
            ceiling=_CEILING,
        ),
        Claim(
            "It needs a fraction of the labels that fine-tuning needs",
            probe_accuracy(),
            "fine-tuning with five times the labels",
            FEWER_QUESTIONS,
            Seen(Richer(Trained(fine_tuned), QUESTIONS), accuracy(its_classifier)),
            ceiling=_CEILING,
            margin=0.02,
        ),
    ),
    signal=Signal(tolerant, off=Trained(shuffled_classes)),
    sample=SECTIONS,
    setup="Questions of six classes, of very different number, in place of a contract's provisions, and the first "
    "layer of SmolLM2 as the start of both: the paper starts its two sides from different models. The loss, the pairs "
    "and the classifier are SetFit's own, of which the paper takes the defaults, and dropout is added to the start at "
    "a rate of 0.1. Both sides take as many steps of as many rows, and a row of SetFit's is two texts. That LIME's "
    "explanations point at more informative words is not measured. The ceiling knows all 5,452 questions.",
)
def setfit() -> Recipe:
    """Kilic et al. 2023, with Tunstall et al. 2022: mean squared error of cosines, 1 of one class and 0 of two."""
    train = TrainConfig(epochs=1, batch_size=16, learning_rate=2e-5, warmup=0.1)
    stage = Stage(PairRegression, train, prepare=(class_pairs(EACH),))
    return Recipe("SetFit", (stage,), Takes("text", schemas=("labelled",)), adapt=cls_with_dropout)
