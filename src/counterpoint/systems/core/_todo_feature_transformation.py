"""Feature transformation: positives moved apart, negatives mixed with each other, in the space of the loss."""

from __future__ import annotations

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.heads import Unit, projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Chain, InterpolateNegatives, MixPositives, Queue, Teacher
from counterpoint.systems.core import _moco
from counterpoint.systems.core._digits import SETUP, run_on_images
from counterpoint.systems.core._moco import moco
from counterpoint.systems.core._versus import claims, probe_accuracy
from counterpoint.systems.registry import Claim, system


def _moco_with_queue(width: int) -> Chain:
    return Chain(Teacher(_moco.DECAY, symmetric=False), Queue(_moco.QUEUE, width))


def positives_only() -> Recipe:
    """Without the interpolation of negatives."""
    return feature_transformation().varied(
        "FT, positives only",
        procedure=lambda width: Chain(_moco_with_queue(width), MixPositives(2.0)),
    )


@system(
    "FT",
    title="Improving Contrastive Learning by Visualizing Feature Transformation",
    year=2021,
    family="core",
    mechanism="tests/systems/test_feature_transformation.py::test_extrapolated_positives_score_as_equation_5_says",
    run=run_on_images,
    claims=(
        Claim("Extrapolated positives and interpolated negatives improve the representation", "probe accuracy", "MoCo"),
        Claim("So do extrapolated positives alone", "probe accuracy", "MoCo"),
    ),
    measure=claims(
        (probe_accuracy, lambda: feature_transformation(), moco),
        (probe_accuracy, positives_only, moco),
    ),
    setup=SETUP + _moco.SETUP,
)
def feature_transformation() -> Recipe:
    """Zhu et al. 2021: positives by 1 + Beta(2, 2), the queue by Beta(1.6, 1.6), one number a pair (section 4)."""
    return moco().varied(
        "FT",
        objective=lambda: InfoNCE(_moco.TEMPERATURE, geometry=Dot()),
        head=lambda width: nn.Sequential(projection(width, hidden=(width,)), Unit()),
        procedure=lambda width: Chain(_moco_with_queue(width), MixPositives(2.0), InterpolateNegatives(1.6)),
    )
