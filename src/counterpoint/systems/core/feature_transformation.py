"""Feature transformation: positives moved apart, negatives mixed with each other, in the space of the loss."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.geometry import Dot
from counterpoint.heads import Unit
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Chain, InterpolateNegatives, MixPositives
from counterpoint.procedures.mixing import Each
from counterpoint.systems.core import _moco
from counterpoint.systems.core._moco import TEMPERATURE, moco, remembering
from counterpoint.systems.core._pictures import SELF_SUPERVISED, TEMPERATURES
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.contrast import own
from counterpoint.testbeds.figures import probe_accuracy

_POSITIVE, _NEGATIVE = 2.0, 1.6


def _head(width: int) -> nn.Module:
    return nn.Sequential(_moco.head(width), Unit())


def _transformed(width: int, each: Each = "batch") -> Chain:
    return remembering(width, then=(MixPositives(_POSITIVE, each=each), InterpolateNegatives(_NEGATIVE, each=each)))


def _apart(width: int) -> Chain:
    return remembering(width, then=(MixPositives(_POSITIVE, each="batch"),))


def _between(width: int) -> Chain:
    return remembering(width, then=(InterpolateNegatives(_NEGATIVE, each="batch"),))


def feature_transformation(temperature: float = TEMPERATURE) -> Recipe:
    """Zhu et al. 2021, equations 3 to 6: positives by 1 + Beta(2, 2), the queue by Beta(1.6, 1.6), one number a batch.

    What is mixed is no longer of length one, and scored as it is: by its inner product.
    """
    return moco().varied(
        "FT", objective=lambda: InfoNCE(temperature, geometry=Dot()), head=_head, procedure=_transformed
    )


def a_pair() -> Recipe:
    """One number for each pair."""
    return feature_transformation().varied("FT, a pair", procedure=partial(_transformed, each="pair"))


def a_dimension() -> Recipe:
    """One number for each dimension of each pair: their dimension-level mixing."""
    return feature_transformation().varied("FT, a dimension", procedure=partial(_transformed, each="dimension"))


def positives_only(temperature: float = TEMPERATURE) -> Recipe:
    """Without the interpolation of negatives."""
    return feature_transformation(temperature).varied("FT, positives only", procedure=_apart)


def negatives_only(temperature: float = TEMPERATURE) -> Recipe:
    """Without the extrapolation of positives."""
    return feature_transformation(temperature).varied("FT, negatives only", procedure=_between)


def _claim(text: str, ours: Tuned) -> Claim:
    return Claim(text, probe_accuracy(), "MoCo", SELF_SUPERVISED, _moco.TUNED, system=ours)


system(
    "FT",
    title="Improving Contrastive Learning by Visualizing Feature Transformation",
    year=2021,
    family="core",
    mechanism="tests/systems/test_feature_transformation.py::test_positives_are_apart_and_negatives_between",
    claims=(
        _claim(
            "Extrapolated positives and interpolated negatives improve the representation",
            Tuned(feature_transformation, TEMPERATURES),
        ),
        _claim("So do extrapolated positives alone", Tuned(positives_only, TEMPERATURES)),
        _claim("So do interpolated negatives alone", Tuned(negatives_only, TEMPERATURES)),
    ),
    signal=Signal(own, off=Trained(negatives_only)),
    variants={"FT, a pair": a_pair, "FT, a dimension": a_dimension},
    setup=_moco.SETUP
    + "Mixing weights are one number a batch, as in the runs that the authors' code names; one a pair "
    "and one a dimension are variants. Numbers of the Beta distributions are theirs. Temperatures are chosen of three "
    "on both sides.",
)(feature_transformation)
