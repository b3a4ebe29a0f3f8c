"""Geometry: scores of queries against keys, and temperature. A higher score is always a closer pair."""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError


@runtime_checkable
class Geometry(Protocol):
    """What an objective needs of a space.

    `prepare` is done once a point and batch (such as normalising); `shared` and `owned` give scores from prepared
    vectors. `scale` is 1 / temperature: geometries that are linear in the query apply it there, which saves a pass
    over the `(n, m)` scores.
    """

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """What is done once for each point."""
        ...

    def shared(self, q: Float[Tensor, "n *d"], k: Float[Tensor, "m *d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Every query against every key."""
        ...

    def owned(
        self, q: Float[Tensor, "n *d"], k: Float[Tensor, "n s *d"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """Every query against its own `s` keys."""
        ...


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
        return torch.einsum("nd,nsd->ns", _scaled(q, scale), k)


def _scaled(q: Tensor, scale: Tensor | float) -> Tensor:
    return q if isinstance(scale, float) and scale == 1 else q * scale


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
        square = square.clamp_min(0)
        if not self.squared:
            # sqrt has no gradient at 0: the distance of a point to itself stays put
            square = torch.where(square > 0, square, 1.0).sqrt() * (square > 0)
        return -scale * square

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """`|q|^2 + |k|^2 - 2 q . k`, and its negative root."""
        square = (q * q).sum(-1, keepdim=True) + (k * k).sum(-1) - 2 * q @ k.T
        return self._score(square, scale)

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return self._score((q[:, None] - k).square().sum(-1), scale)


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


class SubCentres:
    """Keys of several vectors each, `(m, t, d)`: the score is that of the nearest, or a soft nearest.

    With `softness` `g` the score is the mean of the scores weighted by their softmax, `sum_j softmax_j(s_j / g) s_j`.
    Sources: Deng et al. 2020, "Sub-center ArcFace" (nearest); Qian et al. 2019, "SoftTriple Loss".

    Args:
        geometry: Scores of single vectors; cosine by default.
        softness: 0: the nearest.

    Examples:
        >>> centres = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> SubCentres().shared(torch.tensor([[0.6, 0.8]]), centres, 1.0)
        tensor([[0.8000]])
    """

    def __init__(self, geometry: Geometry | None = None, *, softness: float = 0.0) -> None:
        self.geometry, self.softness = geometry or Cosine(), softness

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """As the inner geometry does."""
        return self.geometry.prepare(z)

    def _nearest(self, scores: Tensor, scale: Tensor | float) -> Tensor:
        if not self.softness:
            return scale * scores.amax(-1)
        return scale * (torch.softmax(scores / self.softness, -1) * scores).sum(-1)

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m t d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """The nearest of each key's vectors."""
        scores = self.geometry.shared(q, k.flatten(0, 1), 1.0)
        return self._nearest(scores.unflatten(1, k.shape[:2]), scale)

    def owned(
        self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s t d"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        scores = self.geometry.owned(q, k.flatten(1, 2), 1.0)
        return self._nearest(scores.unflatten(1, k.shape[1:3]), scale)


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


class Gated:
    """Cosine of vectors whose dimensions a query switches on and off, `s = cos(g_q * q, g_q * k)`.

    Points are `(n, 2, d)`: a vector and, of a query, its gate `g`, 0 or more; that of a key is not looked at. Source:
    Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning", section 3.

    Examples:
        >>> q, k = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]]), torch.tensor([[[2.0, -9.0], [1.0, 1.0]]])
        >>> Gated().shared(q, k, 1.0)  # alike in the first dimension
        tensor([[1.]])
    """

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Nothing: lengths depend on the gate."""
        return z

    def shared(
        self, q: Float[Tensor, "n 2 d"], k: Float[Tensor, "m 2 d"], scale: Tensor | float
    ) -> Float[Tensor, "n m"]:
        """Three products of matrices, with no `(n, m, d)` tensor."""
        on, x, y = q[:, 1].square(), q[:, 0], k[:, 0]
        square = (on * x.square()).sum(-1, keepdim=True) * (on @ y.square().T)
        return scale * ((on * x) @ y.T) * square.clamp_min(1e-24).rsqrt()

    def owned(
        self, q: Float[Tensor, "n 2 d"], k: Float[Tensor, "n s 2 d"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        x, y = (q[:, 1] * q[:, 0])[:, None], q[:, None, 1] * k[:, :, 0]
        square = x.square().sum(-1) * y.square().sum(-1)
        return scale * (x * y).sum(-1) * square.clamp_min(1e-24).rsqrt()


class Parts:
    """Points of several vectors each, `(n, t, d)`: a query is compared by one of its vectors, a key by one of its.

    Args:
        query: Which of a query's.
        key: Which of a key's.
        geometry: Scores of single vectors; cosine by default.

    Examples:
        >>> z = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])
        >>> Parts(0, 1).shared(z, z, 1.0)
        tensor([[0.6000]])
    """

    def __init__(self, query: int, key: int, geometry: Geometry | None = None) -> None:
        self.query, self.key, self.geometry = query, key, geometry or Cosine()

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """As the inner geometry does."""
        return self.geometry.prepare(z)

    def shared(
        self, q: Float[Tensor, "n t d"], k: Float[Tensor, "m t d"], scale: Tensor | float
    ) -> Float[Tensor, "n m"]:
        """The query's part against the key's."""
        return self.geometry.shared(q[:, self.query], k[:, self.key], scale)

    def owned(
        self, q: Float[Tensor, "n t d"], k: Float[Tensor, "n s t d"], scale: Tensor | float
    ) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return self.geometry.owned(q[:, self.query], k[:, :, self.key], scale)


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
