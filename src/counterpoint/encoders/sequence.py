"""A recurrent encoder of sequences: a vector for every step, and a context of all steps until then."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class SequenceEncoder(nn.Module):
    """`z_t = g(x_t)`, a perceptron on each step, and `c_t`, a GRU over `z_1 ... z_t`.

    Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", section 2.2 and
    figure 1, where `g` is a strided convolutional network.

    Args:
        channels: Of each step.
        width: Of `z_t`, and of the perceptron's hidden layer.
        context: Of `c_t`.

    Examples:
        >>> encoder = SequenceEncoder(3, width=8, context=16)
        >>> encoder(torch.zeros(2, 5, 3)).shape  # z and c side by side
        torch.Size([2, 5, 24])
        >>> encoder.encode(torch.zeros(2, 5, 3)).shape
        (2, 16)
    """

    def __init__(self, channels: int, *, width: int = 32, context: int = 64) -> None:
        super().__init__()
        self.width, self.dim = width, context
        self.step = nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Linear(width, width))
        self.recurrent = nn.GRU(width, context, batch_first=True)

    def forward(self, x: Float[Tensor, "n t c"]) -> Float[Tensor, "n t d"]:
        """`z_t` and `c_t` of every step, side by side, with gradient."""
        z = self.step(x)
        return torch.cat([z, self.recurrent(z)[0]], -1)

    def encode(self, x: Float[Tensor, "n t c"]) -> Float[np.ndarray, "n d"]:
        """The mean of the contexts of all steps, float32, without gradient."""
        with torch.inference_mode():
            return np.asarray(self(x)[..., self.width :].mean(1).float().cpu().numpy())
