"""Core-tuning: fine-tuning with cross-entropy and contrast, both on hard mixtures of features."""

from __future__ import annotations

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.heads import Several, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import FocalSupCon, Logits, Part, SupCon
from counterpoint.procedures import MixHardPairs, shares
from counterpoint.relation import Relation
from counterpoint.systems.core._supervised import CLASSES, RATES, cross_entropy
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.tuning import MORE_TUNING, TUNING, TUNING_DIGITS, class_margin

CONTRAST, RATE, WEIGHTS = 256, 2e-3, (0.1, 1.0, 10.0)
"""Their embedding, and what the weight of contrast is chosen from: 0.1 is theirs for CIFAR-10, 10 their default."""


def two_heads(width: int) -> nn.Module:
    """On features and their mixtures: where contrast is taken, and a linear classifier without bias."""
    contrast = projection(width, hidden=(width,), out=CONTRAST)
    return Several(contrast, nn.Linear(width, CLASSES, bias=False))


def _tuned(name: str, weight: float, *, hard: bool) -> Recipe:
    def soft() -> SupCon:
        return SupCon(1.0, layout="one-way", geometry=Dot(), relation=Relation(shares))

    return cross_entropy(RATE).varied(
        name,
        objective=lambda: (
            Part(Logits(CLASSES, soft()), -CLASSES) + weight * Part(FocalSupCon(0.07), -CONTRAST - CLASSES, -CLASSES)
        ),
        head=None,
        procedure=lambda width: MixHardPairs(two_heads(width), hard=hard),
        views=1,
    )


def core_tuning(weight: float = 0.1) -> Recipe:
    """Zhang et al. 2021: cross-entropy with soft labels and focal SupCon, on features and their hard mixtures."""
    return _tuned("Core-tuning", weight, hard=True)


def random_pairs(weight: float = 0.1) -> Recipe:
    """Mixtures of any pairs."""
    return _tuned("Core-tuning, random pairs", weight, hard=False)


def fine_tuned(rate: float = RATE) -> Recipe:
    """Cross-entropy on one view a picture."""
    return cross_entropy(rate).varied("fine-tuning", views=1)


def with_more() -> Recipe:
    """Fine-tuning where there are more pictures."""
    return fine_tuned().varied("fine-tuning with more")


system(
    "Core-tuning",
    title="Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized Fine-Tuning",
    year=2021,
    family="core",
    mechanism="tests/systems/test_core_tuning.py::test_loss_is_that_of_a_naive_loop_over_mixtures",
    sample=TUNING_DIGITS,
    claims=(
        Claim(
            "Contrast and hard mixtures make fine-tuning better",
            accuracy(its_classifier),
            "cross-entropy, from the same pre-trained encoder",
            TUNING,
            Tuned(fine_tuned, RATES),
            system=Tuned(core_tuning, WEIGHTS),
            off=Tuned(random_pairs, WEIGHTS),
            ceiling=Richer(Trained(with_more), MORE_TUNING),
        ),
    ),
    signal=Signal(class_margin, off=Trained(fine_tuned)),
    setup="The start of all is an encoder that SimCLR has trained on other classes, where theirs is MoCo v2 on "
    "ImageNet; accuracy is that of the classifier that was fine-tuned. One view a picture, a classifier without "
    "bias, contrast in 256 dimensions; its weight, and cross-entropy's learning rate in its place, is the best "
    "of three. As in the text, a hard positive is of its anchor's class and a hard negative of the class that "
    "most of it is from, and the focal loss is the mean over an anchor's positives; in the authors' code "
    "positives have equal soft labels, and the mean is over all columns, so that the same weight counts for less.",
)(core_tuning)
