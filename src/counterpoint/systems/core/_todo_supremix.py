"""SupReMix: contrast for numbers; hard pairs are mixed between targets, far targets repel more."""

from __future__ import annotations

import numpy as np
from torch import nn

from counterpoint.data.images import Images
from counterpoint.encoders.image import PixelEncoder
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Takes
from counterpoint.objectives import SupCon
from counterpoint.procedures import MixTargets
from counterpoint.relation import Relation, kernel
from counterpoint.systems.core._digits import run_on
from counterpoint.systems.core._labelled import SETUP, base
from counterpoint.systems.core._turned import WIDEST, angles
from counterpoint.systems.core._versus import claims
from counterpoint.systems.registry import Claim, system

UNIT = 10.0
# targets are numbers, and those of mixtures are no whole ones
_EQUAL = kernel("angle", lambda d: (d == 0).float())


def absolute_error(model: PixelEncoder, head: nn.Module, parts: tuple[Images, Images]) -> float:
    """Of a ridge regression on the representation, in degrees."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    del head
    x, y = ([model.encode(part.pixels), part.columns["angle"].numpy()] for part in parts)
    said = make_pipeline(StandardScaler(), Ridge()).fit(*x).predict(y[0])
    return float(np.abs(said - y[1]).mean())


def equal_targets() -> Recipe:
    """The baseline: SupCon, each degree a class of its own."""
    return base().varied(
        "SupCon",
        takes=Takes("image", columns=("angle",)),
        objective=lambda: SupCon(0.1, relation=Relation(_EQUAL)),
        head=lambda width: projection(width, hidden=(width,)),
    )


def weighted() -> Recipe:
    """Weights by the distance of targets, no mixtures."""
    far = kernel("angle", lambda d: 1 + d.abs() / UNIT)
    return equal_targets().varied(
        "SupReMix without mixing",
        objective=lambda: SupCon(0.1, relation=Relation(_EQUAL, negative=far)),
    )


@system(
    "SupReMix",
    title="Mixup Your Own Pairs",
    year=2023,
    family="core",
    mechanism="tests/systems/test_supremix.py::test_loss_is_that_of_a_naive_loop_over_mixtures",
    variants={"SupReMix without mixing": weighted},
    run=run_on(angles, absolute_error, "mean absolute error in degrees"),
    claims=(
        Claim(
            "Mixed pairs and weights by label distance improve regression",
            "mean absolute error of a linear probe for the angle, in degrees",
            "SupCon with each degree a class",
            "lower",
        ),
        Claim(
            "Mixing improves it beyond the weights",
            "mean absolute error of a linear probe for the angle, in degrees",
            "the same without mixing",
            "lower",
        ),
    ),
    measure=claims(
        (absolute_error, lambda: supremix(), equal_targets),
        (absolute_error, lambda: supremix(), weighted),
        data=angles,
    ),
    setup=SETUP
    + f" Each image is turned by 0 to {WIDEST} degrees, and the angle is the target; views turn by up to 10 more. "
    f"A negative weighs 1 + |difference in degrees| / {UNIT:.0f}. Four hard positives and sixteen hard negatives for "
    "each view, Beta(2, 2), no window of targets. The probe is a ridge regression on standardised features.",
)
def supremix() -> Recipe:
    """Wu et al. 2023: anchor-inclusive negatives, anchor-exclusive positives, weights by the distance of targets."""
    return weighted().varied("SupReMix", procedure=lambda _width: MixTargets("angle"))
