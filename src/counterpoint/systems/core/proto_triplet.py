"""Proto-Triplet and ICNN: few-shot episodes in which classes must keep a margin and their neighbours."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.geometry import Euclidean
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, NeighbourScore, Objective, Triplet
from counterpoint.procedures import Prototypes
from counterpoint.relation import Relation, same
from counterpoint.systems.core._pictures import TRAIN, simclr
from counterpoint.systems.core._supervised import labelled
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import OMNIGLOT, Richer, Trained
from counterpoint.testbeds.labelled import ALL_OMNIGLOT, energy, episodes

SHOTS, _BATCH = 3, 512
_CLASSES = Relation(same("label"))


def prototypical() -> Objective:
    """Snell et al. 2017: a softmax over squared distances to the class means."""
    return InfoNCE(1.0, geometry=Euclidean(squared=True), relation=_CLASSES)


def margin() -> Objective:
    """Proto-Triplet: nearer to the class's mean than to the nearest other mean by 0.5."""
    return Triplet(0.5, mining="hard", relation=_CLASSES)


def both() -> Objective:
    """The three losses, averaged."""
    return (1 / 3) * (prototypical() + margin() + NeighbourScore())


def proto_triplet() -> Recipe:
    """Mendez-Ruiz et al. 2023: prototypical cross-entropy, Proto-Triplet and ICNN, averaged."""
    return networks().varied("Proto-Triplet + ICNN", objective=both)


def networks() -> Recipe:
    """The baseline: prototypical networks, an episode a batch; one view a picture, lest the other be its mean."""
    return simclr().varied(
        "Prototypical networks",
        takes=labelled(),
        head=None,
        views=1,
        train=replace(TRAIN, batch_size=_BATCH),
        objective=prototypical,
        procedure=lambda _width: Prototypes(SHOTS),
    )


def with_triplet() -> Recipe:
    """Without ICNN."""
    return networks().varied("Proto-Triplet", objective=lambda: 0.5 * (prototypical() + margin()))


def with_neighbours() -> Recipe:
    """Without Proto-Triplet."""
    return networks().varied("ICNN", objective=lambda: 0.5 * (prototypical() + NeighbourScore()))


def _higher(text: str, system: Trained | None = None) -> Claim:
    against, ceiling = "prototypical networks, same episodes", Richer(Trained(networks), ALL_OMNIGLOT)
    return Claim(text, episodes(), against, OMNIGLOT, Trained(networks), system=system, ceiling=ceiling)


system(
    "Proto-Triplet + ICNN",
    title="SuSana Distancia is all you need: Enforcing class separability in metric learning via two novel "
    "distance-based loss functions for few-shot image classification",
    year=2023,
    family="core",
    mechanism="tests/systems/test_proto_triplet.py::test_losses_are_those_of_naive_loops",
    variants={"Proto-Triplet": with_triplet, "ICNN": with_neighbours},
    claims=(
        _higher("Both losses together improve few-shot classification"),
        _higher("So does Proto-Triplet alone", Trained(with_triplet)),
        _higher("So does ICNN alone", Trained(with_neighbours)),
    ),
    signal=Signal(energy, off=Trained(networks)),
    setup="Training sees three alphabets, the episodes of the test are of characters of two others, 20 of them in "
    "place of 5, to leave room above. A batch is an episode of all classes that are in it, some 70 to 90 of "
    f"about six pictures: {SHOTS} are the support (theirs: 5 classes, 5 pictures). ICNN is taken over queries "
    "and prototypes together (theirs: queries and support). The ceiling has the test alphabets' labels.",
)(proto_triplet)
