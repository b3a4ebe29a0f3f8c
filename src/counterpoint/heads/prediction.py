"""Heads on sequences: one that predicts the future, one matrix a step ahead, and one that sums the past up."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Predictions(nn.Module):
    """From `z_t` and `c_t` side by side to `z_t` and its predictions `W_k c_t` for `k = 1 ... steps`.

    With the inner product it is the log-bilinear model `z_{t+k} W_k c_t` of van den Oord et al. 2018,
    "Representation Learning with Contrastive Predictive Coding", eq. 3.

    Args:
        width: Of `z_t`.
        context: Of `c_t`.
        steps: How far ahead, 1 or more.

    Examples:
        >>> Predictions(4, 6, steps=3)(torch.zeros(2, 5, 10)).shape  # z_t and three predictions
        torch.Size([2, 5, 4, 4])
    """

    def __init__(self, width: int, context: int, *, steps: int) -> None:
        super().__init__()
        self.width, self.steps = width, steps
        self.ahead = nn.Linear(context, steps * width, bias=False)

    def forward(self, states: Float[Tensor, "n t d"]) -> Float[Tensor, "n t k w"]:
        """Index 0 of the third dimension is `z_t`, k its prediction of `z_{t+k}`."""
        z, c = states[..., : self.width], states[..., self.width :]
        return torch.cat([z[:, :, None], self.ahead(c).unflatten(-1, (self.steps, self.width))], 2)


class MeanContext(nn.Module):
    """From `z_t` and `c_t` side by side to the mean of `c_t` over steps: one vector a sequence.

    Args:
        width: Of `z_t`.

    Examples:
        >>> MeanContext(2)(torch.tensor([[[9.0, 9.0, 1.0], [9.0, 9.0, 3.0]]]))
        tensor([[2.]])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, states: Float[Tensor, "n t d"]) -> Float[Tensor, "n c"]:
        """The mean over the second dimension."""
        return states[..., self.width :].mean(1)
