"""Vectors made of features of known strength, and linear encoders of them: where theory says what is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.evaluate import probe
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.recipe import Start
from counterpoint.objectives import Objective
from counterpoint.procedures import Forget
from counterpoint.training import TrainConfig
from counterpoint.views import View

DIMENSIONS = 40
TRAIN = TrainConfig(batch_size=256, learning_rate=1e-2, weight_decay=0.0, dtype="float32", validations=1)


def features(n: int, strengths: Sequence[float], seed: int) -> tuple[Float[Tensor, "n d"], Int[Tensor, "n k"]]:
    """`x = sum_k strength_k s_k e_k` in 40 dimensions with independent fair signs `s_k`; and which signs are +."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.randint(2, (n, len(strengths)), generator=generator)
    x = torch.zeros(n, DIMENSIONS)
    x[:, : len(strengths)] = torch.tensor(strengths) * (2 * present - 1)
    return x, present


def noisy(sigma: float, flips: Sequence[float] = ()) -> View:
    """A view of vectors: Gaussian noise of `sigma` on every dimension, and feature k's sign flipped with `flips[k]`."""
    odds = torch.zeros(DIMENSIONS)
    odds[: len(flips)] = torch.tensor(flips)

    def view(x: Tensor) -> Tensor:
        kept = torch.where(torch.rand_like(x) < odds, -1.0, 1.0)
        return x * kept + sigma * torch.randn_like(x)

    return view


def linear(width: int, out: int, scale: float = 0.1) -> nn.Linear:
    """A linear map from a small random start (torch's global state), from which theory says simple solutions follow."""
    layer = nn.Linear(width, out, bias=False)
    nn.init.normal_(layer.weight, std=scale / width**0.5)
    return layer


class Layers(nn.Sequential):
    """Linear layers one after another."""

    @property
    def dim(self) -> int:
        """Of the vectors."""
        return int(self[-1].out_features)  # type: ignore[arg-type]


def linear_start(width: int, depth: int = 1) -> Start:
    """An untrained linear encoder of so many layers."""

    def start(data: Data, seed: int) -> Layers:
        del data, seed
        return Layers(*(linear(DIMENSIONS if i == 0 else width, width) for i in range(depth)))

    return start


def stage_of(objective: Callable[[], Objective], view: View, steps: int) -> Stage:
    """Equal vectors are negatives of each other, as in the expectation that theory is about."""
    return Stage(objective, replace(TRAIN, steps=steps), procedure=lambda _width: Forget("input"), view=view)


def fitted(
    x: Float[Tensor, "n d"],
    labels: Int[Tensor, " n"],
    objective: Objective,
    *,
    view: View,
    width: int,
    steps: int,
    seed: int,
    depth: int = 1,
) -> Layers:
    """A linear encoder of so many layers, trained on two views of each vector."""
    stage = stage_of(lambda: objective, view, steps)
    recipe = Recipe("linear", (stage,), Takes("vector"), linear_start(width, depth))
    model, _ = recipe.make(Data.alone(Items("vector", x), label=labels), seed)
    assert isinstance(model, Layers)
    return model


def accuracy(
    model: nn.Module, parts: tuple[Tensor, Tensor], classes: tuple[Tensor, Tensor], view: View, seed: int
) -> float:
    """Of a linear probe on embeddings, as they are, of noisy vectors: fitted on the first part, right on the second."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        z = [model(view(x)).numpy() for x in parts]
    names = [[str(c) for c in part.tolist()] for part in classes]
    return float((probe(z[0], names[0], z[1]) == np.array(names[1])).mean())
