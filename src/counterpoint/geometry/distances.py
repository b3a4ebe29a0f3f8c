"""Negative distances."""

from __future__ import annotations

from collections.abc import Iterator
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
        self.translation_invariant = not normalized

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
        self.translation_invariant = not normalized

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Scale to `p`-norm one if `normalized`."""
        return F.normalize(z, p=self.p, dim=-1) if self.normalized else z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Every distance, with no `(n, m, d)` tensor."""
        return -scale * torch.cdist(q, k, p=self.p) ** self.power

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return -scale * torch.cdist(q[:, None], k, p=self.p)[:, 0] ** self.power


class Modulus:
    """Negative sum of moduli of complex differences, `s = -sum_i |q_i - k_i|`, at most 0.

    A vector of even dimension is read as `a + bi`, `a` its first half. It is the `L2,1` norm of a difference whose
    dimensions come in pairs: a turn of one complex number costs as much in whatever direction it goes. Source: Sun et
    al. 2019, "RotatE", section 3.2 (its authors' code takes the sum of moduli).

    Examples:
        >>> Modulus().shared(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([[3.0, 1.0, 4.0, 0.0]]), 1.0).item()
        -6.0
    """

    translation_invariant = True

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Nothing: the vectors as they are.

        Raises:
            InputError: for an odd dimension.
        """
        if z.shape[-1] % 2:
            raise InputError(f"{z.shape[-1]} dimensions have no halves", fix="use an even number of dimensions")
        return z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Every distance, with no `(n, m, d)` tensor."""
        score: Tensor = _Moduli.apply(q, k)  # type: ignore[no-untyped-call]
        return scale * score

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        first, last = (q[:, None] - k).square().chunk(2, -1)
        moduli: Tensor = _Root.apply(first + last)  # type: ignore[no-untyped-call]
        return -scale * moduli.sum(-1)


_PAIRS = 2**15  # complex differences held at once: 256 kB in float32, which stay in cache
_LEAST = 1e-30  # what a gradient may be divided by


class _Moduli(torch.autograd.Function):
    """`-sum_i |q_i - k_i|` of all pairs, a tile of them at a time; the differences are taken again in backward."""

    @staticmethod
    def _tiles(q: Tensor, k: Tensor) -> Iterator[tuple[slice, slice, Tensor, Tensor]]:
        half = max(1, q.shape[1] // 2)
        keys = max(1, min(len(k), _PAIRS // half))
        rows = max(1, _PAIRS // (half * keys))
        for i in range(0, len(q), rows):
            for j in range(0, len(k), keys):
                here, there = slice(i, i + rows), slice(j, j + keys)
                difference = q[here, None] - k[None, there]
                # a norm over the two halves takes a hundred times as long
                first, last = difference.square().chunk(2, -1)
                yield here, there, difference, (first + last).sqrt_()

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor) -> Tensor:
        ctx.save_for_backward(q, k)
        score = q.new_empty(len(q), len(k))
        for here, there, _, moduli in _Moduli._tiles(q, k):
            score[here, there] = -moduli.sum(-1)
        return score

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        q, k = ctx.saved_tensors
        for_q, for_k = torch.zeros_like(q), torch.zeros_like(k)
        for here, there, difference, moduli in _Moduli._tiles(q, k):
            # a difference of 0 has a gradient of 0
            pull = grad[here, there, None] / moduli.clamp_min_(_LEAST)
            for half in difference.chunk(2, -1):
                half.mul_(pull)
            for_q[here] -= difference.sum(1)
            for_k[there] += difference.sum(0)
        return for_q, for_k


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
