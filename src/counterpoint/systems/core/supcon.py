"""SupCon: all views of all images of a class attract."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.config import Config
from counterpoint.data.images import Images, digits
from counterpoint.geometry import Dot
from counterpoint.heads import projection
from counterpoint.objectives import InfoNCE, SupCon
from counterpoint.points import Points
from counterpoint.relation import Relation, same
from counterpoint.systems.core._digits import SETUP, accuracy, run_on_images, trained, view
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.training import TrainConfig
from counterpoint.training.payload import Arguments, Payload
from counterpoint.views import ImageBatches, View, noise


class ClassBatches(ImageBatches):
    """The same batches for a classifier: both views of each image are queries, the classes are keys.

    With logits as vectors and unit vectors as classes, InfoNCE of the inner product is cross-entropy.
    """

    def __init__(self, images: Images, view: View, views: int = 2) -> None:
        super().__init__(images, view, views)
        self._classes = int(images.labels.max()) + 1

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """Two views of these images, and all classes."""
        payload = super().payload(rows, among)

        def arguments(logits: Float[Tensor, "n c"]) -> Arguments:
            sides = payload.arguments(logits)
            keys = Points(torch.eye(self._classes).to(logits), label=torch.arange(self._classes, device=logits.device))
            both = Points.cat([sides["queries"], sides["keys"]])
            return {"queries": Points(both.z, label=both.columns["label"]), "keys": keys}

        return replace(payload, arguments=arguments)


def cross_entropy(classes: int) -> Config:
    """The baseline: a linear classifier on the encoder, trained with it on the same views."""
    return replace(
        supcon(),
        name="cross-entropy",
        objective=lambda: InfoNCE(1.0, geometry=Dot(), relation=Relation(same("label"))),
        head=lambda width: projection(width, out=classes),
        batches=ClassBatches,
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
def supcon() -> Config:
    """Khosla et al. 2020: equation 2 over both views of the batch, temperature 0.1, a head with one hidden layer."""
    return Config(
        "SupCon",
        lambda: SupCon(0.1),
        TrainConfig(epochs=350, batch_size=256, learning_rate=1e-3, weight_decay=1e-4, dtype="float32"),
        head=lambda width: projection(width, hidden=(width,)),
        view=view(),
    )
