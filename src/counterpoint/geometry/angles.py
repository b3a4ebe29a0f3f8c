"""Inner products and what is made of angles; vectors scaled to length one."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError


class Dot:
    """Inner product, `s = q . k`.

    Examples:
        >>> Dot().shared(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), 1.0)
        tensor([[11.]])
    """

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Nothing: the vectors as they are."""
        return z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """`scale * q @ k.T`."""
        return _scaled(q, scale) @ k.T

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """`scale * q_i . k_ij`."""
        inner: Tensor = _Owned.apply(q, k)  # type: ignore[no-untyped-call]
        return _scaled(inner, scale)


def _scaled(value: Tensor, scale: Tensor | float) -> Tensor:
    return value if isinstance(scale, float) and scale == 1 else value * scale


class _Owned(torch.autograd.Function):
    """`q_i . k_ij`, its gradient written down: autograd's for the keys takes three times as long."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor) -> Tensor:
        ctx.save_for_backward(q, k)
        return _rows(q, k.mT)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        q, k = ctx.saved_tensors
        # a product under autocast is in half precision
        grad = grad.to(q.dtype).contiguous()
        for_q, for_k = ctx.needs_input_grad
        return _rows(grad, k) if for_q else None, grad[:, :, None] * q[:, None] if for_k else None


def _rows(a: Float[Tensor, "n x"], b: Float[Tensor, "n x y"]) -> Float[Tensor, "n y"]:
    """Each row times its own matrix."""
    if b.shape[1] == 1:
        return a * b[:, 0]
    # a product of matrices for each row takes eight times as long for a matrix of one column
    return (a * b[:, :, 0]).sum(-1, keepdim=True) if b.shape[2] == 1 else torch.bmm(a[:, None], b)[:, 0]


class Cosine(Dot):
    """Cosine similarity, `s = q . k / (|q| |k|)`, in [-1, 1]. A zero vector has cosine 0 to everything.

    Examples:
        >>> cosine = Cosine()
        >>> z = cosine.prepare(torch.tensor([[3.0, 4.0]]))
        >>> cosine.shared(z, z, 1.0).item()
        1.0
    """

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Scale each vector to length one."""
        return normalize(z)


class Angle(Cosine):
    """How close two vectors are in a complex space, `s = |q . k + q . Jk|`, `J` turning the second half by 90 degrees.

    A vector of even dimension is read as `a + bi`, `a` its first half. Unlike the cosine it does not saturate for
    similar vectors. Source: Li and Li 2024, "AoE: Angle-optimized Embeddings for Semantic Textual Similarity".

    Examples:
        >>> angle = Angle()
        >>> z = angle.prepare(torch.tensor([[3.0, 4.0]]))
        >>> round(angle.shared(z, z, 1.0).item(), 4)  # the quotient is real and 1
        1.0
    """

    @staticmethod
    def _turned(k: Tensor) -> Tensor:
        if k.shape[-1] % 2:
            raise InputError(f"{k.shape[-1]} dimensions have no halves", fix="use an even number of dimensions")
        first, last = k.chunk(2, -1)
        return k + torch.cat([-last, first], -1)

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """`scale |q . (k + Jk)|`."""
        return super().shared(q, self._turned(k), scale).abs()

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return super().owned(q, self._turned(k), scale).abs()


def normalize(z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
    """`z / max(|z|, 1e-12)` along the last dimension, as `torch.nn.functional.normalize`.

    Its gradient `(g - y (y . g)) / |z|` is written down, as autograd takes more than twice as long for it.

    Examples:
        >>> normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    y: Tensor = _Normalize.apply(z)  # type: ignore[no-untyped-call]
    return y


_SHORTEST = 1e-12


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        y = z / _length(z)
        ctx.save_for_backward(z, y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        z, y = ctx.saved_tensors
        # taken again, so that the gradient has a gradient
        length = _length(z)
        # a vector shorter than that is only divided by a number
        along = (grad * y).sum(-1, keepdim=True) * (length > _SHORTEST)
        return torch.addcmul(grad, y, along, value=-1) / length


def _length(z: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return length.clamp_min(_SHORTEST)
