"""SetFit against fine-tuning: the cosine tells pairs of one class from pairs of two, and a classifier comes after."""

from __future__ import annotations

from counterpoint.encoders.adapting import with_dropout
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.classes import class_pairs
from counterpoint.objectives import PairRegression
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.supcl_seq import fine_tuned
from counterpoint.testbeds import Richer, Seen, Trained
from counterpoint.testbeds.classifiers import accuracy, its_classifier, macro_f1
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
            "With few labels contrast of pairs, then a classifier, is better than fine-tuning",
            macro_f1(its_classifier),
            "fine-tuning, by its own classifier",
            FEWER_QUESTIONS,
            Trained(fine_tuned),
            off=Trained(shuffled_classes),
            ceiling=_CEILING,
        ),
        Claim(
            "Its vectors say more of the class than those of fine-tuning",
            probe_accuracy(),
            "fine-tuning, by a probe",
            FEWER_QUESTIONS,
            Trained(fine_tuned),
            ceiling=Seen(_CEILING, accuracy(its_classifier)),
        ),
        Claim(
            "It needs a fraction of the labels that fine-tuning needs",
            macro_f1(its_classifier),
            "fine-tuning with five times the labels; as good as within 0.02",
            FEWER_QUESTIONS,
            Richer(Trained(fine_tuned), QUESTIONS),
            ceiling=_CEILING,
            margin=0.02,
        ),
    ),
    signal=Signal(tolerant, off=Trained(shuffled_classes)),
    sample=SECTIONS,
    setup="Questions of six classes, of very different number, in place of a contract's provisions, and the first "
    "layer of SmolLM2 as the start of both: the paper starts its two sides from different models. Only its abstract "
    "was seen; loss and pairs are SetFit's own. The classifier after it is a logistic probe whose penalty is chosen. "
    "Dropout is added to the start at a rate of 0.1. Both sides take as many steps of as many rows, 32 for SetFit's "
    "16, and a row of SetFit's is two texts. That LIME's explanations point at more informative words is not measured. "
    "The ceiling knows all training questions.",
)
def setfit() -> Recipe:
    """Kilic et al. 2023, with Tunstall et al. 2022: mean squared error of cosines, 1 of one class and 0 of two."""
    train = TrainConfig(epochs=1, batch_size=16, learning_rate=2e-5, warmup=0.1, schedule="linear")
    stage = Stage(PairRegression, train, prepare=(class_pairs(EACH),))
    return Recipe("SetFit", (stage,), Takes("text", schemas=("labelled",)), adapt=with_dropout)
