"""SwAV: each view predicts which cluster the other was put into."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import SwAV
from counterpoint.systems.core._pictures import SELF_SUPERVISED, simclr
from counterpoint.systems.core._pictures import TUNED as CONTRASTIVE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.siamese import budget, clusters
from counterpoint.views.standard import picture_view

_HIDDEN, _OUT, _PROTOTYPES, _FROZEN = 512, 128, 100, 19
_TEMPERATURES = (0.05, 0.1, 0.2)
_SMALL = (0.05, 0.2)


def head(width: int) -> nn.Module:
    """The authors': one hidden layer with BatchNorm, over all views."""
    return projection(width, hidden=(_HIDDEN,), out=_OUT, norm=nn.BatchNorm1d)


def two_views(temperature: float = 0.1) -> Recipe:
    """Without multi-crop, on SimCLR's views."""

    def objective() -> SwAV:
        return SwAV(_OUT, _PROTOTYPES, temperature=temperature, frozen=_FROZEN)

    return simclr().varied("SwAV, two views", objective=objective, head=head)


def swav() -> Recipe:
    """Caron et al. 2020: temperature 0.1, epsilon 0.05, three iterations; two large crops give codes, all predict."""
    large, small = picture_view(), picture_view(_SMALL)
    return two_views().varied("SwAV", views=6, view=(large, large, small))


def unbalanced() -> Recipe:
    """Two views with a softmax for codes: nothing keeps the clusters of equal size."""
    return two_views().varied(
        "SwAV, unbalanced", objective=lambda: SwAV(_OUT, _PROTOTYPES, iterations=0, frozen=_FROZEN)
    )


system(
    "SwAV",
    title="Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
    year=2020,
    family="core",
    mechanism="tests/systems/test_swav.py::test_loss_is_the_swapped_prediction_of_sinkhorn_codes",
    claims=(
        Claim(
            "Swapped assignments are better than contrasting instances",
            probe_accuracy(),
            "SimCLR",
            SELF_SUPERVISED,
            CONTRASTIVE,
            system=Tuned(two_views, _TEMPERATURES),
            off=Trained(unbalanced),
        ),
        Claim(
            "More crops are better",
            probe_accuracy(),
            "SwAV with two views, as many epochs",
            budget(SELF_SUPERVISED, 0.5),
            Trained(two_views),
            system=Richer(Trained(swav), budget(SELF_SUPERVISED, 1.5)),
        ),
        Claim(
            "More crops are better even for as many encoded views",
            probe_accuracy(),
            "SwAV with two views",
            SELF_SUPERVISED,
            Trained(two_views),
        ),
    ),
    signal=Signal(clusters, off=Trained(unbalanced), system=Trained(two_views)),
    variants={"SwAV, two views": two_views},
    setup=f"The authors' head, narrower ({_HIDDEN} hidden units with BatchNorm, {_OUT} dimensions); {_PROTOTYPES} "
    f"prototypes (3,000 there), which do not learn in the first epoch of CIFAR-10 ({_FROZEN} steps). Two crops of 20% "
    "to 100% of the area give assignments, four of 5% to 20% predict them (14% is theirs for both ends); a batch has "
    "pictures of one size, so small crops are brought to that of the large ones and cost as much. Against SimCLR both "
    "have its two views. No queue: a batch has more pictures than there are clusters.",
)(swav)
