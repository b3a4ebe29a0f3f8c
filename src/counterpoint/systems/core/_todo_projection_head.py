"""Why the head is thrown away: layers weigh features ever less evenly, and a fixed unequal weighting does as much."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.heads import Reweight
from counterpoint.methods import Recipe
from counterpoint.objectives import Spectral
from counterpoint.relation import Relation, never
from counterpoint.systems.core import _features
from counterpoint.systems.core._digits import SETUP, halves, run_on_images
from counterpoint.systems.core._features import features, fitted, noisy
from counterpoint.systems.core._versus import fitted as on_digits
from counterpoint.systems.core._versus import probe_accuracy
from counterpoint.systems.core.simclr import plain, simclr
from counterpoint.systems.registry import Claim, Figures, Pair, system

_KAPPA = 1.05
_STRENGTHS, _FLIPS = (1.0, 1.0, 1.0, 1.0), (0.0, 0.05, 0.1, 0.2)
_NOISE, _N, _LABELLED, _STEPS, _WIDTH = 0.5, 2000, 50, 600, 32
_DISRUPTED = 3


def two_layers(seed: int) -> nn.Sequential:
    """A linear encoder and a linear head, trained on views that keep the sign of some features better than others."""
    x, present = features(_N, _STRENGTHS, seed)
    objective, view = Spectral(relation=Relation(negative=~never)), noisy(_NOISE, _FLIPS)
    return fitted(x, present[:, 0], objective, view=view, width=_WIDTH, steps=_STEPS, seed=seed, depth=2)


def unevenness(model: nn.Module) -> float:
    """The greatest over the smallest weight of a feature: the lengths of its image."""
    with torch.inference_mode():
        lengths = model(torch.eye(_features.DIMENSIONS)[: len(_STRENGTHS)]).norm(dim=1)
    return float(lengths.max() / lengths.min())


def without_head() -> Recipe:
    """The baseline: the loss on the representation itself."""
    return simclr().varied("no head", head=None)


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    model, (x, present) = two_layers(seed), features(_N + _LABELLED, _STRENGTHS, seed)
    before = model[:1]
    target = present[:, _DISRUPTED]
    few = (x[_N:], x[:_N]), (target[_N:], target[:_N]), noisy(_NOISE), seed
    compared = (projection_head, without_head, plain)
    fixed, none, learned = (probe_accuracy(*on_digits(c, seed), halves(seed)) for c in compared)
    claims = (
        (fixed, none),
        (unevenness(before), unevenness(model)),
        (_features.accuracy(before, *few), _features.accuracy(model, *few)),
    )
    return claims, {"probe accuracy with a learned head": learned}


@system(
    "Projection head theory",
    title="Investigating the Benefits of Projection Head for Representation Learning",
    year=2024,
    family="core",
    mechanism="tests/systems/test_projection_head.py::test_loss_is_that_of_a_naive_loop_over_reweighted_views",
    run=run_on_images,
    claims=(
        Claim("A fixed reweighting head improves the representation before it", "probe accuracy, digits", "no head"),
        Claim(
            "Features are weighed more evenly before a head than after it",
            "greatest over smallest weight of a synthetic feature, before a linear head",
            "after it",
            "lower",
        ),
        Claim(
            "Before the head a feature that views disrupt is of more use",
            f"probe accuracy for it with {_LABELLED} labels, before a linear head",
            "after it",
        ),
    ),
    measure=_measure,
    setup=f"Synthetic: {_N:,} vectors of {_features.DIMENSIONS} dimensions with {len(_STRENGTHS)} features of strength "
    f"1, whose signs a view flips with probability {', '.join(map(str, _FLIPS))}, and noise of {_NOISE}; a linear "
    f"encoder and head of {_WIDTH} from a small start, the spectral loss, {_STEPS} steps of 256, AdamW at 1e-2 where "
    f"the theory has gradient descent. Real: SimCLR with kappa {_KAPPA}, not tuned. " + SETUP,
)
def projection_head() -> Recipe:
    """Xue et al. 2024: SimCLR whose head scales dimension i by `kappa^-i` and learns nothing."""
    return simclr().varied("Projection head theory", head=lambda width: Reweight(width, kappa=_KAPPA))
