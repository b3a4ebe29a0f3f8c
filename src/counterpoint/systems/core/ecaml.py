"""ECAML: a metric loss that is kept from fitting its classes by drawing different classes together a little."""

from __future__ import annotations

from torch import nn

from counterpoint.geometry import Euclidean, Parts
from counterpoint.heads import AlsoStopped
from counterpoint.methods import Recipe
from counterpoint.objectives import EnergyConfusion, Objective, Triplet
from counterpoint.objectives.margin import Mining
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import simclr
from counterpoint.systems.core._supervised import labelled, rated
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.labelled import ALL_PRETRAINED, PRETRAINED, clusters, energy, retrieval

_CLASS = Relation(same("label"))
_RATES = (2e-5, 1e-4, 5e-4, 2e-3)


def embedding_head(width: int) -> nn.Module:
    """The embedding, a linear layer that is kept, and the same on features that get no gradient."""
    return AlsoStopped(nn.Linear(width, width))


def _triplets(mining: Mining) -> Objective:
    unit = Euclidean(squared=True, normalized=True)
    return Triplet(0.1, mining=mining, layout="views", geometry=Parts(0, 0, unit), relation=_CLASS)


def triplets() -> Objective:
    """Margin 0.1 on the sphere: half of it hard ones, half all of them."""
    return 0.5 * _triplets("hard") + 0.5 * _triplets("all")


def metric(rate: float = 5e-4) -> Recipe:
    """The baseline."""
    return rated(simclr(), rate).varied("triplet", takes=labelled(), head=embedding_head, objective=triplets)


def ecaml(rate: float = 5e-4) -> Recipe:
    """Chen and Deng 2019, equation 3, added to a triplet loss: its logarithm, on the last layer only, weight 0.13."""
    return metric(rate).varied("ECAML", objective=lambda: triplets() + 0.13 * confusion())


def confusion() -> Objective:
    """Of embeddings as they are."""
    return EnergyConfusion(log=True, geometry=Parts(1, 1, Euclidean(squared=True)), relation=_CLASS)


def deep() -> Recipe:
    """The confusion goes through the encoder, too."""
    through = EnergyConfusion(log=True, geometry=Parts(0, 0, Euclidean(squared=True)), relation=_CLASS)
    return metric().varied("ECAML (whole encoder)", objective=lambda: triplets() + 0.13 * through)


_CEILING = Richer(Trained(metric), ALL_PRETRAINED)
_METRIC, _ECAML = Tuned(metric, _RATES), Tuned(ecaml, _RATES)
system(
    "ECAML",
    title="Energy Confused Adversarial Metric Learning for Zero-Shot Image Retrieval and Clustering",
    year=2019,
    family="core",
    mechanism="tests/systems/test_ecaml.py::test_confusion_is_on_the_last_layer_only_by_a_naive_loop",
    variants={"ECAML (whole encoder)": deep},
    claims=(
        Claim(
            "Confusion improves the retrieval of novel classes",
            retrieval,
            "triplet loss, a learning rate chosen for each",
            PRETRAINED,
            _METRIC,
            system=_ECAML,
            ceiling=_CEILING,
        ),
        Claim(
            "And their clusters",
            clusters,
            "triplet loss, a learning rate chosen for each",
            PRETRAINED,
            _METRIC,
            system=_ECAML,
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(energy, off=Trained(metric)),
    setup="The network is trained without labels first, in place of ImageNet, and the embedding is a linear layer "
    "on it, by which test pictures are compared. Half of the triplet loss is of the hardest triplets "
    "(theirs: negatives), half of all of them (theirs: random ones). The energy is over all pairs of "
    "different classes of a batch, which is the expectation of theirs over random partners; its half leaves "
    "the gradient of the logarithm as it is. Learning rates are chosen from four, on an alphabet that is held out "
    "of the training part. The ceiling has the test alphabets' labels. Batches are of 256 random pictures "
    "in two views, theirs of two pictures each of 65 classes; of the metric losses that they improve on, N-pair and "
    "binomial are left out.",
)(ecaml)
