"""SNT-Xent-AM and SNT-Xent-AAM: the symmetric loss with an additive, or an angular, margin."""

from __future__ import annotations

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._versus import claims, verification_error
from counterpoint.systems.core.nt_xent_am import nt_xent
from counterpoint.systems.registry import Claim, system


def one_way() -> Recipe:
    """NT-Xent of the paper's equation 1: first views against second views only."""
    return nt_xent().varied("NT-Xent one way", objective=lambda: InfoNCE(1 / 30))


def snt_xent_am() -> Recipe:
    """Equation 4: additive margin 0.1."""
    return nt_xent().varied("SNT-Xent-AM", objective=lambda: InfoNCE(1 / 30, layout="views", margin=0.1))


@system(
    "SNT-Xent-AAM",
    title="Experimenting with Additive Margins for Contrastive Self-Supervised Speaker Verification",
    year=2023,
    family="core",
    mechanism="tests/systems/test_margins.py::test_angular_margin_turns_the_positive_away",
    variants={"SNT-Xent-AM": snt_xent_am},
    run=run_on_images,
    claims=(
        Claim("An angular margin lowers the equal error rate", "equal error rate of digits", "SNT-Xent", "lower"),
        Claim(
            "Both views as anchors and negatives are better than one",
            "equal error rate of digits",
            "NT-Xent one way",
            "lower",
        ),
    ),
    measure=claims(
        (verification_error, lambda: snt_xent_aam(), nt_xent),
        (verification_error, nt_xent, one_way),
    ),
    setup=SETUP
    + " Digits stand in for speakers: two test images are the same if their class is. Cosine of representations.",
)
def snt_xent_aam() -> Recipe:
    """Lepage and Dehak 2023, equations 3 to 5: angular margin 0.1 radians at a scale of 30."""
    return nt_xent().varied("SNT-Xent-AAM", objective=lambda: InfoNCE(1 / 30, layout="views", angular_margin=0.1))
