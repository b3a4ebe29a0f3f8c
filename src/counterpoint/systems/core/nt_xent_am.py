"""NT-Xent-AM: positives must win by a margin, so that what is verified by a threshold is told apart."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.core._supervised import labelled
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import DIGITS, OMNIGLOT, Trained, Tuned
from counterpoint.testbeds.figures import tolerant, verification_error

SCALED = (1 / 30, 0.1, 0.2)
"""What temperatures are chosen from: a margin does much of what another temperature does."""


def nt_xent(temperature: float = 1 / 30) -> Recipe:
    """The baseline: no projector, the loss is on what is verified; a scale of 30 as theirs."""
    return simclr().varied("NT-Xent", head=None, objective=lambda: InfoNCE(temperature, layout="views"))


def nt_xent_am(temperature: float = 1 / 30) -> Recipe:
    """Lepage and Dehak 2024, equation 4: margin 0.1 at a scale of 30, both views anchors and negatives."""
    return nt_xent().varied("NT-Xent-AM", objective=lambda: InfoNCE(temperature, layout="views", margin=0.1))


def with_identities() -> Recipe:
    """What could be reached: all pictures of an identity are positives."""
    return nt_xent().varied("SupCon without head", takes=labelled(), objective=lambda: SupCon(0.1))


system(
    "NT-Xent-AM",
    title="Additive Margin in Contrastive Self-Supervised Frameworks to Learn Discriminative Speaker Representations",
    year=2024,
    family="core",
    mechanism="tests/systems/test_nt_xent_am.py::test_loss_is_nt_xent_with_the_positive_lowered",
    sample=replace(DIGITS, about=DIGITS.about + "; digits stand in for speakers"),
    claims=(
        Claim(
            "A margin on the positives lowers the equal error rate",
            verification_error,
            "NT-Xent, a temperature chosen for each",
            OMNIGLOT,
            Tuned(nt_xent, SCALED),
            system=Tuned(nt_xent_am, SCALED),
            ceiling=Trained(with_identities),
            better="lower",
        ),
    ),
    signal=Signal(tolerant, off=Trained(nt_xent)),
    setup="Characters stand in for speakers, those of other alphabets for new ones: two test pictures are the same if "
    "their character is, by the cosine of representations. Training knows no labels. The loss is on the "
    "representation, as in the authors' configurations with a margin; no memory queue (their MoCo). The margin is 0.1 "
    "as in their first configuration; later ones have 0.05 to 0.5, and it is not chosen here. Of the negatives about "
    "one in ninety is of the same character.",
)(nt_xent_am)
