"""Which features are learned: labels alone collapse subclasses, views alone favour what is easy; both do neither."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import InfoNCE, Objective, SupCon
from counterpoint.relation import Relation, same
from counterpoint.systems.core._linear import by_label, by_view, linear
from counterpoint.systems.core._pictures import TEMPERATURES, simclr
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.coarse import COARSE_CIFAR, COARSE_DIGITS
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.synthetic import BIASED, BIASED_FEATURES, MOST, noisy, told

_NARROW, _WIDE, _LABELS = 4, 16, 200
_EASY = BIASED.index("easy 0")
_SHARES = (0.25, 0.5, 0.75)


def both(supervised: Objective, unsupervised: Objective, b: float = 0.5) -> Objective:
    """`b L_sup + (1 - b) L_unsup`."""
    return b * supervised + (1 - b) * unsupervised


def labels_wide() -> Recipe:
    """The supervised loss; the embedding has room for every feature."""
    return linear("labels alone, wide", by_label, _WIDE, noisy())


def views_narrow() -> Recipe:
    """The unsupervised loss; the embedding has less room than there are easy features."""
    return linear("views alone, narrow", by_view, _NARROW, noisy())


def views_wide() -> Recipe:
    """The unsupervised loss with room for every feature."""
    return linear("views alone, wide", by_view, _WIDE, noisy())


def views_disrupted() -> Recipe:
    """The unsupervised loss with views that say nothing of the easy features: their signs are drawn anew."""
    flips = (0.5,) * (len(BIASED) - _EASY)
    return linear("views alone that disrupt easy features, narrow", by_view, _NARROW, noisy(flips, _EASY))


def both_narrow() -> Recipe:
    """Both losses, with little room."""
    return linear("both, narrow", lambda: both(by_label(), by_view()), _NARROW, noisy())


def both_wide() -> Recipe:
    """Both losses, with room for every feature."""
    return linear("both, wide", lambda: both(by_label(), by_view()), _WIDE, noisy())


def labels_alone(temperature: float = 0.1) -> Recipe:
    """SupCon (Khosla et al. 2020) on pictures."""
    takes = Takes("image", schemas=("labelled",))
    return simclr().varied("labels alone", objective=lambda: SupCon(temperature), takes=takes)


def fine_labels() -> Recipe:
    """SupCon that is told the classes within the labels: what could be reached."""
    fine = Relation(same("fine"))
    return labels_alone().varied("classes within", objective=lambda: SupCon(0.1, relation=fine))


def joint(b: float = 0.5) -> Recipe:
    """SupCon and NT-Xent at a share."""
    return labels_alone().varied("both", objective=lambda: both(SupCon(0.1), InfoNCE(0.5, layout="views"), b))


_SYNTHETIC = Claim(
    "Supervised contrast collapses subclasses, and views of each example beside it keep them",
    told("subclass", _LABELS),
    "labels alone",
    BIASED_FEATURES,
    Trained(labels_wide),
    system=Trained(both_wide),
    ceiling=MOST,
    floors=(),  # what the baseline is said to lose is what it has at the floor
)


@system(
    "Xue et al. simplicity bias",
    title="Which Features are Learnt by Contrastive Learning? On the Role of Simplicity Bias in Class Collapse and "
    "Feature Suppression",
    year=2023,
    family="core",
    mechanism="tests/systems/test_simplicity_bias.py::test_minimisers_have_the_features_that_the_theory_says",
    sample=COARSE_DIGITS,
    claims=(
        _SYNTHETIC,
        replace(
            _SYNTHETIC,
            text="Unsupervised contrast suppresses the class behind easier features, and labels beside it keep it",
            figure=told("label", _LABELS),
            against="views alone",
            baseline=Trained(views_narrow),
            system=Trained(both_narrow),
        ),
        replace(
            _SYNTHETIC,
            text="A wider embedding relieves feature suppression",
            figure=told("label", _LABELS),
            against=f"width {_NARROW}, which is less than there are easier features",
            baseline=Trained(views_narrow),
            system=Trained(views_wide),
        ),
        replace(
            _SYNTHETIC,
            text="Views that disrupt the easier features relieve feature suppression",
            figure=told("label", _LABELS),
            against="views that keep them",
            baseline=Trained(views_narrow),
            system=Trained(views_disrupted),
        ),
        Claim(
            "Views beside coarse labels keep the classes within them",
            probe_accuracy("fine"),
            "labels alone (SupCon)",
            COARSE_CIFAR,
            Tuned(labels_alone, TEMPERATURES),
            system=Tuned(joint, _SHARES),
            ceiling=Trained(fine_labels),
        ),
    ),
    signal=Signal(probe_accuracy("fine"), off=Trained(labels_alone), bed=COARSE_CIFAR),
    setup=f"Synthetic: both losses weigh 0.5, probes for a feature are fitted on {_LABELS} noisy vectors. With little "
    "room both losses keep the class and lose the subclass, which the theory says, too. Pictures: SupCon at 0.1 and "
    "NT-Xent at 0.5 on CIFAR-10 with the labels vehicle and animal stand for CIFAR-100 with its superclasses; the "
    "share of the labels is chosen from three values, as many as the temperature of labels alone. "
    "Suppression is measured on vectors, not on pictures such as digits laid over CIFAR-10.",
)
def simplicity_bias() -> Recipe:
    """Xue et al. 2023, section 6: the supervised and the unsupervised contrastive loss, half each."""
    return joint().varied("Xue et al. simplicity bias")
