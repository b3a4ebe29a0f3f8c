"""SNT-Xent-AM and SNT-Xent-AAM: the symmetric loss with an additive, or an angular, margin."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.core._supervised import labelled
from counterpoint.systems.core.nt_xent_am import SCALED
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import OMNIGLOT, Trained, Tuned
from counterpoint.testbeds.figures import rank, verification_error

_AGAINST = "SNT-Xent, a temperature chosen for each"


def projector(width: int) -> nn.Module:
    """One wide hidden layer; theirs is 2,048 and 256 without BatchNorm, on an encoder that has it everywhere."""
    return projection(width, hidden=(512,), out=128, norm=nn.BatchNorm1d)


def snt_xent(temperature: float = 0.2) -> Recipe:
    """Equation 3, without a margin: both views are anchors and negatives."""
    return simclr().varied("SNT-Xent", head=projector, objective=lambda: InfoNCE(temperature, layout="views"))


def one_way(temperature: float = 0.2) -> Recipe:
    """NT-Xent of the paper's equation 1: first views against second views only."""
    return snt_xent().varied("NT-Xent one way", objective=lambda: InfoNCE(temperature))


def snt_xent_am(temperature: float = 0.2) -> Recipe:
    """Equation 4: additive margin 0.1."""
    return snt_xent().varied("SNT-Xent-AM", objective=lambda: InfoNCE(temperature, layout="views", margin=0.1))


def snt_xent_aam(temperature: float = 0.2) -> Recipe:
    """Lepage and Dehak 2023, equations 3 to 5: angular margin 0.1 radians; a scale of 5 as in the authors' code."""
    return snt_xent().varied("SNT-Xent-AAM", objective=lambda: InfoNCE(temperature, layout="views", angular_margin=0.1))


def with_identities() -> Recipe:
    """What could be reached: all pictures of an identity are positives."""
    return snt_xent().varied("SupCon, SNT-Xent's head", takes=labelled(), objective=lambda: SupCon(0.1))


def _lower(text: str, system: Tuned | None, against: str, baseline: Tuned) -> Claim:
    ceiling = Trained(with_identities)
    return Claim(text, verification_error, against, OMNIGLOT, baseline, system=system, ceiling=ceiling, better="lower")


_PLAIN = Tuned(snt_xent, SCALED)
system(
    "SNT-Xent-AAM",
    title="Experimenting with Additive Margins for Contrastive Self-Supervised Speaker Verification",
    year=2023,
    family="core",
    mechanism="tests/systems/test_snt_xent_margins.py::test_angular_margin_turns_the_positive_away",
    variants={"SNT-Xent-AM": snt_xent_am},
    claims=(
        _lower("An angular margin lowers the equal error rate", Tuned(snt_xent_aam, SCALED), _AGAINST, _PLAIN),
        _lower("So does an additive margin", Tuned(snt_xent_am, SCALED), _AGAINST, _PLAIN),
        _lower(
            "Both views as anchors and negatives are better than one",
            _PLAIN,
            "NT-Xent one way, a temperature chosen for each",
            Tuned(one_way, SCALED),
        ),
    ),
    signal=Signal(rank, off=Trained(snt_xent)),
    setup="Characters stand in for speakers, those of other alphabets for new ones: two test pictures are the same if "
    "their character is, by the cosine of representations, before the projector. Training knows no labels. The "
    "projector has BatchNorm, which theirs has not: their encoder has it in every layer and ours in none, and without "
    "it embeddings begin nearly equal, where the slope of an angular margin has no bound, and collapse. Where "
    "angle and margin pass pi, at cosines below -0.995, the margin goes on as it is; the authors continue it by a "
    "line. Both margins are 0.1 and not chosen; theirs run from 0.1 to 0.5 (additive) and from 0.05 to 0.3 (angular).",
)(snt_xent_aam)
