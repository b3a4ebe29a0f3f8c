"""Several heads on one representation, or one head twice."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError


class Several(nn.Module):
    """Heads side by side: what each makes of the representation, one after the other in one vector.

    An objective on one of them is a `Part` of that vector.

    Args:
        *heads: At least one.

    Raises:
        InputError: for no head.

    Examples:
        >>> head = Several(nn.Linear(8, 4), nn.Linear(8, 2))
        >>> head(torch.zeros(3, 8)).shape
        torch.Size([3, 6])
    """

    def __init__(self, *heads: nn.Module) -> None:
        super().__init__()
        if not heads:
            raise InputError("no heads", fix="give one or more")
        self.heads = nn.ModuleList(heads)

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """All of them."""
        return torch.cat([head(z) for head in self.heads], -1)


class AlsoStopped(nn.Module):
    """A head twice, `(n, 2, e)`: `g(h)`, and `g(sg(h))`, whose gradient changes the head and stops before the encoder.

    An objective on the second, by the geometry `Parts(1, 1)`, trains the last layers only. Source: Chen and Deng 2019,
    "Energy Confused Adversarial Metric Learning", the authors' code.

    Args:
        head: The head.

    Examples:
        >>> h = torch.ones(1, 2, requires_grad=True)
        >>> AlsoStopped(nn.Linear(2, 3))(h)[:, 1].sum().backward()
        >>> h.grad.tolist()
        [[0.0, 0.0]]
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n 2 e"]:
        """Both."""
        return torch.stack([self.head(z), self.head(z.detach())], 1)


class AlsoGiven(nn.Module):
    """A head's output and what it was given, without gradient, `(n, 2, d)`: `[g(h), sg(h)]`.

    What a projector says is then to be like what the representation says. Source: Limkonchotiwat et al. 2023, "An
    Efficient Self-Supervised Cross-View Training For Sentence Embedding", and the authors' code (SCTLoss).

    Args:
        head: It keeps the width.

    Examples:
        >>> AlsoGiven(nn.Linear(2, 2))(torch.ones(1, 2))[:, 1].tolist()
        [[1.0, 1.0]]
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n 2 d"]:
        """Both."""
        return torch.stack([self.head(z), z.detach()], 1)


class Halves(nn.Module):
    """Two heads, each on one half of the representation, or another part: on one of two encoders that are joined, say.

    Args:
        first: On the first half of the dimensions.
        second: On the second half.
        at: How many dimensions the first has; None: half of them.

    Examples:
        >>> Halves(nn.Linear(4, 3), nn.Linear(4, 2))(torch.zeros(5, 8)).shape
        torch.Size([5, 5])
        >>> Halves(nn.Linear(6, 3), nn.Identity(), at=6)(torch.zeros(5, 8)).shape
        torch.Size([5, 5])
    """

    def __init__(self, first: nn.Module, second: nn.Module, at: int | None = None) -> None:
        super().__init__()
        self.first, self.second, self.at = first, second, at

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """What the one makes of the one half, and the other of the other."""
        first, second = z.chunk(2, -1) if self.at is None else (z[..., : self.at], z[..., self.at :])
        return torch.cat([self.first(first), self.second(second)], -1)
