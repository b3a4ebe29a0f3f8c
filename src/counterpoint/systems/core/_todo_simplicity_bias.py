"""Which features are learned: labels alone collapse subclasses, views alone favour what is easy; both do neither."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.data.images import digits
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import InfoNCE, Objective, Spectral, SupCon
from counterpoint.relation import Relation, never, same
from counterpoint.systems.core import _features
from counterpoint.systems.core._digits import SETUP, accuracy, run_on_images, trained
from counterpoint.systems.core._features import features, fitted, linear_start, noisy
from counterpoint.systems.core.simclr import simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

_CLASS, _SUBCLASS, _EASY = 0, 1, 6
_STRENGTHS = (1.0, 1.0) + (2.0,) * _EASY
_NOISE, _N, _LABELLED, _STEPS = 0.5, 2000, 200, 400
_NARROW, _WIDE = 4, 16
_COARSE = 5


def by_label() -> Objective:
    """Spectral loss whose positives are of the same class; negatives are all pairs, as in the expectation."""
    return Spectral(relation=Relation(same("label"), negative=~never))


def by_view() -> Objective:
    """Spectral loss whose positives are views of the same example."""
    return Spectral(relation=Relation(negative=~never))


def both(supervised: Objective, unsupervised: Objective, b: float = 0.5) -> Objective:
    """`b L_sup + (1 - b) L_unsup`."""
    return b * supervised + (1 - b) * unsupervised


def _synthetic(seed: int) -> dict[str, float]:
    """Accuracy of a probe for the class and for the subclass, by objective and width."""
    x, present = features(_N + _LABELLED, _STRENGTHS, seed)
    view, found = noisy(_NOISE), {}
    settings = {
        "labels": (by_label(), _WIDE),
        "views": (by_view(), _NARROW),
        "views, wide": (by_view(), _WIDE),
        "both": (both(by_label(), by_view()), _NARROW),
        "both, wide": (both(by_label(), by_view()), _WIDE),
    }
    for name, (objective, width) in settings.items():
        classes = present[:_N, _CLASS]
        model = fitted(x[:_N], classes, objective, view=view, width=width, steps=_STEPS, seed=seed)
        for what, column in (("class", _CLASS), ("subclass", _SUBCLASS)):
            target = present[:, column]
            parts = (x[_N:], x[:_N]), (target[_N:], target[:_N])
            found[f"{name}: {what}"] = _features.accuracy(model, *parts, view, seed)
    return found


def _coarse(seed: int) -> tuple[float, float]:
    """Accuracy for digits after training on digits below 5 against the others: both, and labels alone."""
    train, test = digits().split(seed=seed)
    coarse, right = replace(train, labels=(train.labels >= _COARSE).long()), []
    for config in (simplicity_bias(), simplicity_bias().varied("SupCon", objective=lambda: SupCon(0.1))):
        model, _ = trained(config, coarse, seed)
        right.append(accuracy(model, (train, test)))
    return right[0], right[1]


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    found = _synthetic(seed)

    def pair(first: str, second: str, what: str) -> Pair:
        return found[f"{first}: {what}"], found[f"{second}: {what}"]

    claims = (
        pair("both, wide", "labels", "subclass"),
        pair("both", "views", "class"),
        pair("views, wide", "views", "class"),
        _coarse(seed),
    )
    return claims, found


def spectral() -> Recipe:
    """The losses that the paper analyses, for linear encoders."""
    stage = _features.stage_of(lambda: both(by_label(), by_view()), noisy(_NOISE), _STEPS)
    return Recipe(
        "Xue et al. (spectral)",
        (stage,),
        Takes("vector", schemas=("labelled",)),
        linear_start(_WIDE),
        similarity="dot",
        own_start=True,
    )


@system(
    "Xue et al. simplicity bias",
    title="Which Features are Learnt by Contrastive Learning? On the Role of Simplicity Bias in Class Collapse and "
    "Feature Suppression",
    year=2023,
    family="core",
    mechanism="tests/systems/test_simplicity_bias.py::test_minimisers_have_the_features_that_the_theory_says",
    variants={"Xue et al. (spectral)": spectral},
    run=run_on_images,
    claims=(
        Claim(
            "Supervised contrast collapses subclasses, and views of each example beside it keep them",
            "probe accuracy for the subclass, synthetic features",
            "labels alone",
        ),
        Claim(
            "Unsupervised contrast suppresses the class behind easier features, and labels beside it keep it",
            f"probe accuracy for the class, synthetic features, width {_NARROW}",
            "views alone",
        ),
        Claim(
            "A wider embedding relieves feature suppression",
            f"probe accuracy for the class, synthetic features, views alone, width {_WIDE}",
            f"width {_NARROW}",
        ),
        Claim(
            "Views beside coarse labels keep the classes within them",
            "probe accuracy for the digit, trained on whether it is below 5",
            "labels alone (SupCon)",
        ),
    ),
    measure=_measure,
    setup=f"Synthetic: {_N:,} vectors of {_features.DIMENSIONS} dimensions with a class and a subclass feature of "
    f"strength 1 and {_EASY} irrelevant ones of strength 2, noise of {_NOISE} drawn anew in every view; linear "
    f"encoders from a small start, spectral losses, both weighing 0.5, {_STEPS} steps of 256, AdamW at 1e-2 where the "
    f"theory has gradient descent; probes fitted on {_LABELLED} others. Real: "
    + SETUP
    + " There both losses are SupCon and "
    "NT-Xent.",
)
def simplicity_bias() -> Recipe:
    """Xue et al. 2023, section 6: the supervised and the unsupervised contrastive loss, half each."""
    return simclr().varied(
        "Xue et al. simplicity bias",
        objective=lambda: both(SupCon(0.1), InfoNCE(0.5, layout="views")),
    )
