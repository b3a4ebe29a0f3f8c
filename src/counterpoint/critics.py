"""Critics: geometries that learn. An objective that is given one learns it along with the encoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Separable(nn.Module):
    """Inner product of what two networks make of either side, `s = a(q) . b(k)`.

    Source: Poole et al. 2019, "On Variational Bounds of Mutual Information", section 3 (separable critics).

    Args:
        queries: Applied to the queries.
        keys: Applied to the keys.

    Examples:
        >>> critic = Separable(nn.Identity(), nn.Flatten())
        >>> critic.shared(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), 1.0)
        tensor([[11.]])
    """

    def __init__(self, queries: nn.Module, keys: nn.Module) -> None:
        super().__init__()
        self.queries, self.keys = queries, keys

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Nothing: the vectors as they are."""
        return z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Each network sees each point once."""
        scores: Tensor = (self.queries(q) * scale) @ self.keys(k).T
        return scores

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """The same for each query's own keys."""
        return torch.einsum("nd,nsd->ns", self.queries(q) * scale, self.keys(k.flatten(0, 1)).unflatten(0, k.shape[:2]))


def bilinear(width: int) -> Separable:
    """`s = q W k` with a learned matrix (van den Oord et al. 2018, eq. 3, without the exponential).

    Args:
        width: Of both sides.

    Examples:
        >>> sum(p.numel() for p in bilinear(4).parameters())
        16
    """
    return Separable(nn.Linear(width, width, bias=False), nn.Identity())


class Concatenated(nn.Module):
    """One network on both vectors of a pair side by side, `s = a([q, k])`; it is evaluated once a pair.

    Source: Poole et al. 2019, section 3 (joint critics).

    Args:
        network: From twice the dimension of a point to one number.

    Examples:
        >>> critic = Concatenated(nn.Linear(4, 1))
        >>> critic.shared(torch.zeros(2, 2), torch.zeros(3, 2), 1.0).shape
        torch.Size([2, 3])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def prepare(self, z: Float[Tensor, "n *d"]) -> Float[Tensor, "n *d"]:
        """Nothing: the vectors as they are."""
        return z

    def shared(self, q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], scale: Tensor | float) -> Float[Tensor, "n m"]:
        """Every pair through the network."""
        return self.owned(q, k.expand(len(q), *k.shape), scale)

    def owned(self, q: Float[Tensor, "n d"], k: Float[Tensor, "n s d"], scale: Tensor | float) -> Float[Tensor, "n s"]:
        """Each query's own pairs through the network."""
        pairs = torch.cat([q[:, None].expand_as(k), k], -1)
        scores: Tensor = self.network(pairs)[..., 0] * scale
        return scores
