"""Encouraging loss: examples that are classified well keep on teaching."""

from __future__ import annotations

from counterpoint.geometry import Dot
from counterpoint.methods import Recipe
from counterpoint.objectives import Encouraging
from counterpoint.relation import Relation, same
from counterpoint.systems.core._supervised import (
    LONG_TAIL_OWN_RATE,
    OWN_RATE,
    RATES,
    TUNED_CROSS_ENTROPY,
    cross_entropy,
)
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.classifiers import accuracy, confidence, foreign, its_classifier, rebalanced_probe


def encouraging(rate: float = 1e-3) -> Recipe:
    """Zhao et al. 2022: cross-entropy over ten classes with the conservative bonus, log end 0.75 (their default)."""
    return _ending_at("Encouraging loss", 0.75, rate)


def early(rate: float = 1e-3) -> Recipe:
    """Log end 0.5: theirs where accuracy is low."""
    return _ending_at("Encouraging loss (early)", 0.5, rate)


def normal(rate: float = 1e-3) -> Recipe:
    """The bonus as it is, their normal one: one of two where classes are imbalanced."""
    return _ending_at("Encouraging loss (normal)", 1.0, rate)


def _ending_at(name: str, log_end: float, rate: float) -> Recipe:
    return cross_entropy(rate).varied(
        name, objective=lambda: Encouraging(1.0, log_end=log_end, geometry=Dot(), relation=Relation(same("label")))
    )


_AGAINST = "cross-entropy, a rate chosen for each"
system(
    "Encouraging loss",
    title="Well-classified Examples are Underestimated in Classification with Deep Neural Networks",
    year=2021,
    family="core",
    mechanism="tests/systems/test_encouraging.py::test_loss_is_cross_entropy_with_a_bonus_by_hand",
    variants={"Encouraging loss (early)": early, "Encouraging loss (normal)": normal},
    claims=(
        Claim(
            "Rewarding well classified examples gives a more accurate classifier",
            accuracy(its_classifier),
            _AGAINST,
            OWN_RATE,
            TUNED_CROSS_ENTROPY,
            system=Tuned(early, RATES),
        ),
        Claim(
            "On a long tail it gives a better representation for a classifier that is balanced afterwards",
            accuracy(rebalanced_probe),
            _AGAINST,
            LONG_TAIL_OWN_RATE,
            TUNED_CROSS_ENTROPY,
            system=Tuned(normal, RATES),
        ),
        Claim(
            "Its largest probability tells foreign pictures better",
            foreign,
            _AGAINST,
            OWN_RATE,
            TUNED_CROSS_ENTROPY,
            system=Tuned(early, RATES),
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(confidence, off=Trained(cross_entropy)),
    setup="A linear classifier on the encoder, judged itself, on views as for contrast. The bonus makes the gradient "
    "of easy pictures larger, so each loss has the best of three rates. The log end is 0.5, as the authors advise "
    "where accuracy is low; the method and its signal have their default, 0.75. On the long tail it is 1, their normal "
    "bonus (their aggressive one, which begins at a probability of 0.5, is left out), and the classifier there is "
    "fitted afterwards on classes of equal size. Foreign pictures are PACS photographs of classes that CIFAR-10 lacks. "
    "AdamW stands in for SGD (90 epochs there).",
)(encouraging)
