"""Negative distances."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry.angles import normalize


class Euclidean:
    """Negative Euclidean distance, `s = -|q - k|`, or `-|q - k|^2`, at most 0.

    Args:
        squared: Use the squared distance.
        normalized: Scale vectors to length one first; the squared distance is then `2 - 2 cos`.

    Examples:
        >>> Euclidean().shared(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), 1.0).item()
        -5.0
    """

    def __init__(self, *, squared: bool = False, normalized: bool = False) -> None:
        self.squared, self.normalized = squared, normalized

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Scale to length one if `normalized`."""
        return normalize(z) if self.normalized else z

    def _score(self, square: Tensor, scale: Tensor | float) -> Tensor:
        if self.squared:
            return -scale * square.clamp_min(0)
        root: Tensor = _Root.apply(square)  # type: ignore[no-untyped-call]
        return -scale * root

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """`|q|^2 + |k|^2 - 2 q . k`, and its negative root."""
        square = (q * q).sum(-1, keepdim=True) + (k * k).sum(-1) - 2 * q @ k.T
        return self._score(square, scale)

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return self._score((q[:, None] - k).square().sum(-1), scale)


class _Root(torch.autograd.Function):
    """Square root, 0 of what is below 0, with a gradient of 0 there: the distance of a point to itself stays put."""

    @staticmethod
    def forward(ctx: Any, square: Tensor) -> Tensor:
        root = square.clamp_min(0).sqrt_()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return torch.where(root > 0, grad / (2 * root), 0.0)


class Lp:
    """Negative distance `s = -(sum_i |q_i - k_i|^p)^(power / p)`, at most 0. For `p = 2` `Euclidean` is faster.

    Args:
        p: 1 or more; 1 is the Manhattan distance.
        power: Of the distance.
        normalized: Scale vectors to `p`-norm one first.

    Raises:
        InputError: for a `p` below 1.

    Examples:
        >>> Lp(1).shared(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), 1.0).item()
        -7.0
    """

    def __init__(self, p: float = 2.0, *, power: float = 1.0, normalized: bool = False) -> None:
        if not p >= 1:
            raise InputError(f"p is {p}", fix="give 1 or more")
        self.p, self.power, self.normalized = p, power, normalized

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Scale to `p`-norm one if `normalized`."""
        return F.normalize(z, p=self.p, dim=-1) if self.normalized else z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Every distance, with no `(n, m, d)` tensor."""
        return -scale * torch.cdist(q, k, p=self.p) ** self.power

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return -scale * torch.cdist(q[:, None], k, p=self.p)[:, 0] ** self.power


class NoiseToSignal:
    """Negative noise-to-signal ratio, `s = -var(q - k) / var(q)`, variances over the dimensions. It is not symmetric.

    Source: Yuan et al. 2019, "Signal-to-Noise Ratio: A Robust Distance Metric for Deep Metric Learning".

    Args:
        normalized: Scale vectors to length one first.

    Examples:
        >>> NoiseToSignal().shared(torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, 1.0]]), 1.0).item()
        -0.25
    """

    def __init__(self, *, normalized: bool = False) -> None:
        self.normalized = normalized

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Scale to length one if `normalized`."""
        return F.normalize(z, dim=-1) if self.normalized else z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """The variance of a difference is a squared distance of centred vectors."""
        q, k = q - q.mean(-1, keepdim=True), k - k.mean(-1, keepdim=True)
        signal = q.square().sum(-1, keepdim=True)
        noise = (signal + k.square().sum(-1) - 2 * q @ k.T).clamp_min(0)
        return -scale * noise / signal

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return -scale * (q[:, None] - k).var(-1) / q.var(-1)[:, None]
