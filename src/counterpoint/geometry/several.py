"""Points of several vectors each."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.geometry._base import Geometry, translation_invariant
from counterpoint.geometry.angles import Cosine


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
        self.translation_invariant = translation_invariant(self.geometry)

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
        self.translation_invariant = translation_invariant(self.geometry)

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
