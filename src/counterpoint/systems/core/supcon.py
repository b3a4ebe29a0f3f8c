"""SupCon: all views of all images of a class attract."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.systems.core._supervised import OWN_RATE, SUPERVISED, TUNED_CROSS_ENTROPY, TUNED_SUPCON, supcon
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.classifiers import accuracy, corrupted_accuracy, its_classifier
from counterpoint.testbeds.figures import probe_accuracy, tolerant


def without_labels() -> Recipe:
    """Only the other view of the same image attracts."""
    return supcon().varied("SupCon without labels", objective=lambda: InfoNCE(0.1, layout="views"))


def inside() -> Recipe:
    """Equation 3: positives are averaged inside the logarithm."""
    return supcon().varied("SupCon (in)", objective=lambda: SupCon(0.1, average="inside"))


_AGAINST = "cross-entropy's own classifier; same encoder, views and steps, a rate chosen for each"
system(
    "SupCon",
    title="Supervised Contrastive Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_supcon.py::test_loss_is_equation_2_of_a_naive_loop",
    variants={"SupCon (in)": inside},
    claims=(
        Claim(
            "A linear classifier on supervised contrast beats cross-entropy",
            accuracy(its_classifier),
            _AGAINST,
            OWN_RATE,
            TUNED_CROSS_ENTROPY,
            system=TUNED_SUPCON,
            off=Trained(without_labels),
        ),
        Claim(
            "Supervised contrast is more robust to corruption",
            corrupted_accuracy(its_classifier),
            _AGAINST,
            OWN_RATE,
            TUNED_CROSS_ENTROPY,
            system=TUNED_SUPCON,
        ),
        Claim(
            "Positives are better averaged outside the logarithm than inside",
            probe_accuracy(),
            "equation 3",
            SUPERVISED,
            Trained(inside),
        ),
    ),
    signal=Signal(tolerant, off=Trained(without_labels), bed=SUPERVISED),
    setup="Accuracy is that of what would be deployed: a linear classifier on the frozen representation for SupCon, "
    "cross-entropy's own for the baseline. Both see the same views, as theirs do on ImageNet, in batches of 256 in "
    "place of 6,144, and the factor temperature / 0.07 of the authors' code, which scales the learning rate, is left "
    "out. Corruptions of test pictures: noise, blur, contrast and pixelation at three strengths each.",
)(supcon)
