"""CPC: a context of the past is contrasted with what comes next, several steps ahead."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.images import Images
from counterpoint.data.items import Data
from counterpoint.encoders.features import Kind
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.sequence import SequenceEncoder
from counterpoint.geometry import Dot
from counterpoint.heads import Predictions
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import Futures
from counterpoint.systems.core._digits import accuracy, halves, probed, run_on_images, trained, untrained
from counterpoint.systems.registry import Claim, Figures, Pair, system
from counterpoint.training import TrainConfig

_AHEAD, _EPOCHS, _WIDTH = 4, 100, 32


def rows(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h d"]:
    """Each image as a sequence of its rows, from top to bottom."""
    return pixels.transpose(1, 2).flatten(2)


class RowReader(PixelEncoder):
    """A `SequenceEncoder` of an image's rows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.network = SequenceEncoder(channels, width=_WIDTH)
        self.dim = self.network.dim

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h d"]:
        """What is known at each row, with gradient."""
        states: Tensor = self.network(rows(images))
        return states

    def encode(
        self, images: Float[Tensor, "n c h w"], *, kind: Kind = None, batch: int = 512
    ) -> Float[np.ndarray, "n d"]:
        """The mean of the contexts of all rows, float32, without gradient."""
        del kind, batch
        return self.network.encode(rows(images))


def start(data: Data, seed: int) -> RowReader:
    """The encoder before training."""
    del seed
    return RowReader(rows(data.anchors.tensor[:1]).shape[2])


def head(context: int, steps: int = _AHEAD) -> nn.Module:
    """One matrix for each step ahead."""
    return Predictions(_WIDTH, context, steps=steps)


def information(model: nn.Module, predictions: nn.Module, images: Images) -> float:
    """`log N - L` on these images, in nats: at most what context and future share."""
    objective = cpc().stages[0].objective()
    with torch.inference_mode():
        states = Points(predictions(model(images.pixels)), sample=torch.arange(len(images)))
        seen = Futures().change({"queries": states})
        guess = objective.guess(len(seen["queries"]), len(seen["keys"]))
        assert guess is not None
        return guess - float(objective(**seen))


def next_step() -> Recipe:
    """The baseline: only the next step is predicted."""
    return cpc().varied("CPC, one step ahead", head=lambda context: head(context, 1))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    parts = halves(seed)
    model, predictions = trained(cpc(), parts[0], seed)
    ours, near = accuracy(model, parts), accuracy(trained(next_step(), parts[0], seed)[0], parts)
    figures = {
        "log N - L on test images, nats": information(model, predictions, parts[1]),
        "probe accuracy of all pixels": probed(lambda images: images.pixels.flatten(1).numpy(), parts),
    }
    return ((ours, untrained(cpc(), parts, seed)), (ours, near)), figures


@system(
    "CPC",
    title="Representation Learning with Contrastive Predictive Coding",
    year=2018,
    family="core",
    mechanism="tests/systems/test_cpc.py::test_loss_is_equation_4_of_a_naive_loop_over_steps_ahead",
    run=run_on_images,
    claims=(
        Claim("Predicting the future improves the context", "probe accuracy of the mean context", "random weights"),
        Claim(
            "Predicting several steps ahead is better than only the next",
            f"probe accuracy of the mean context, {_AHEAD} steps ahead",
            "one step ahead",
        ),
    ),
    measure=_measure,
    setup="scikit-learn digits (1,797 of 8 x 8 pixels), half of each class for test, read row by row from the top: 8 "
    f"steps of 8 pixels stand for the paper's speech. A perceptron of {_WIDTH}, a GRU of 64; all other steps of the "
    f"batch are negatives, {_EPOCHS} epochs of batches of 128, AdamW at 1e-3. Probes: logistic regression on "
    "standardised features: the mean of all contexts, since the last one has nothing left to predict.",
)
def cpc() -> Recipe:
    """Van den Oord et al. 2018, equations 3 and 4: InfoNCE of `z_{t+k} W_k c_t`, negatives from the batch."""
    settings = TrainConfig(
        epochs=_EPOCHS, batch_size=128, learning_rate=1e-3, weight_decay=1e-4, dtype="float32", validations=1
    )
    stage = Stage(
        lambda: InfoNCE(1.0, geometry=Dot()), settings, head=head, procedure=lambda _width: Futures(), views=1
    )
    return Recipe("CPC", (stage,), Takes("image"), start, similarity="dot", own_start=True)
