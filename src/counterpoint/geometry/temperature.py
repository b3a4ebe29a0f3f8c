"""Temperatures: fixed ones are checked, learned ones bounded."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError


class Temperature(nn.Module):
    """A temperature that is learned, as `1 / tau = exp(log_scale)` (Radford et al. 2021, CLIP, section 2.5).

    Args:
        initial: The starting temperature, at least `minimum`.
        minimum: It never gets below this (CLIP: 0.01), which keeps the logits finite. A gradient that would push it
            further is dropped, one that brings it back is not.

    Examples:
        >>> round(1 / Temperature(0.07).scale().item(), 4)
        0.07
    """

    def __init__(self, initial: float = 0.07, *, minimum: float = 0.01) -> None:
        super().__init__()
        check_temperature(initial)
        check_temperature(minimum)
        if initial < minimum:
            raise InputError(f"temperature starts at {initial}, below its minimum {minimum}", fix="lower the minimum")
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / initial)))
        self._maximum_log_scale = math.log(1 / minimum)

    def scale(self) -> Float[Tensor, ""]:
        """1 / temperature, with gradient."""
        return _AtMost.apply(self.log_scale, self._maximum_log_scale).exp()  # type: ignore[no-any-return, no-untyped-call]


class _AtMost(torch.autograd.Function):
    """`min(x, maximum)`, whose gradient above the maximum is kept where descent brings `x` back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, maximum: float) -> Tensor:
        ctx.save_for_backward(x > maximum)
        return x.clamp(max=maximum)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (over,) = ctx.saved_tensors
        return torch.where(over, grad.clamp_min(0), grad), None


def check_temperature(value: float) -> None:
    """A temperature is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"temperature is {value}, it must be above 0", fix="0.05 is common")
