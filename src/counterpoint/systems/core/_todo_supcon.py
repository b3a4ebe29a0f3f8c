"""SupCon: all views of all images of a class attract."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.images import digits
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.procedures import AgainstClasses
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, accuracy, run_on_images, trained
from counterpoint.systems.core._labelled import at_most, labelled
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.views import noise


def cross_entropy(classes: int) -> Recipe:
    """The baseline: a linear classifier on the encoder, trained with it on the same views."""
    return supcon().varied(
        "cross-entropy",
        objective=lambda: InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label"))),
        head=lambda width: projection(width, out=classes),
        procedure=lambda _width: AgainstClasses(classes),
        prepare=(at_most(classes),),
    )


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    train, test = digits().split(seed=seed)
    ours, _ = trained(supcon(), train, seed)
    theirs, classifier = trained(cross_entropy(10), train, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        noisy = replace(test, pixels=noise(0.3)(test.pixels))
    clean, corrupted = (tuple(accuracy(m, (train, part)) for m in (ours, theirs)) for part in (test, noisy))
    with torch.inference_mode():
        own = classifier(torch.from_numpy(theirs.encode(test.pixels))).argmax(1)
    return ((clean[0], clean[1]), (corrupted[0], corrupted[1])), {
        "cross-entropy's own classifier": float((own == test.labels).float().mean())
    }


@system(
    "SupCon",
    title="Supervised Contrastive Learning",
    year=2020,
    family="core",
    mechanism="tests/systems/test_supcon.py::test_loss_is_equation_2_of_a_naive_loop",
    run=run_on_images,
    claims=(
        Claim(
            "Supervised contrast beats cross-entropy", "probe accuracy", "cross-entropy, same encoder, views and steps"
        ),
        Claim(
            "Supervised contrast is more robust to corruption",
            "probe accuracy under Gaussian noise (0.3) on test images",
            "cross-entropy, same encoder, views and steps",
        ),
    ),
    measure=_measure,
    setup=SETUP,
)
def supcon() -> Recipe:
    """Khosla et al. 2020: equation 2 over both views of the batch, temperature 0.1, a head with one hidden layer."""
    return plain().varied("SupCon", takes=labelled(), objective=lambda: SupCon(0.1))
