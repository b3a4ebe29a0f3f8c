"""NT-Xent-AM: positives must win by a margin, so that what is verified by a threshold is told apart."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import verification_error, versus
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, system


def nt_xent() -> Recipe:
    """The baseline, at the same scale of 30."""
    return plain().varied("NT-Xent", objective=lambda: InfoNCE(1 / 30, layout="views"))


@system(
    "NT-Xent-AM",
    title="Additive Margin in Contrastive Self-Supervised Frameworks to Learn Discriminative Speaker Representations",
    year=2024,
    family="core",
    mechanism="tests/systems/test_margins.py::test_loss_is_nt_xent_with_the_positive_lowered",
    run=run_on_images,
    claims=(
        Claim(
            "A margin on the positives lowers the equal error rate",
            "equal error rate of digits",
            "NT-Xent, same temperature",
            "lower",
        ),
    ),
    measure=versus(lambda: nt_xent_am(), nt_xent, metric=verification_error),
    setup=SETUP
    + " Digits stand in for speakers: two test images are the same if their class is. Cosine of representations.",
)
def nt_xent_am() -> Recipe:
    """Lepage and Dehak 2024, equation 4: margin 0.1 at a scale of 30, both views anchors and negatives."""
    return nt_xent().varied("NT-Xent-AM", objective=lambda: InfoNCE(1 / 30, layout="views", margin=0.1))
