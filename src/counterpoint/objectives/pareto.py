"""Two objectives that share an encoder: the step that both gain by, in place of a weight between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.engine import distributed
from counterpoint.errors import InputError
from counterpoint.objectives._base import Objective, Reduction
from counterpoint.objectives._layouts import Sides
from counterpoint.points import Points


class MGDA(Objective):
    r"""Two objectives, weighed anew in each step so that neither loses: the shortest mean of their gradients.

    With `g1` and `g2` the gradients by the points, the points' gradient is `a g1 + (1 - a) g2`,

        a = min_{0 <= a <= 1} |a g1 + (1 - a) g2|^2 = clip((g2 - g1) . g2 / |g1 - g2|^2, 0, 1),

    along which both fall, unless they cannot both (a Pareto-stationary point). What an objective learns by itself, such
    as a decoder, has its own whole gradient. The value is the sum of both, so it is no function whose gradient this is.
    Source: Sener and Koltun 2018, "Multi-Task Learning as Multi-Objective Optimization", which takes gradients by what
    tasks share, and as an upper bound by the representation that they share, as here.

    Args:
        first: Its share of the gradient is `share`, as the last call left it.
        second: The other.

    Raises:
        InputError: in a call, for unreduced losses.

    Examples:
        >>> from counterpoint.objectives import Alignment, Uniformity
        >>> q, k = torch.eye(2, requires_grad=True), torch.ones(2, 2)
        >>> both = MGDA(Alignment(), Uniformity())
        >>> both(q, k).backward()
        >>> 0 <= float(both.share) <= 1
        True
    """

    kind = "point"
    uses = frozenset({"owned", "guide", "score"})

    share: Tensor = torch.tensor(0.5)
    """The first one's, of the last call that asked for a gradient."""

    def __init__(self, first: Objective, second: Objective) -> None:
        super().__init__()
        self.objectives = nn.ModuleList([first, second])

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The sum of both; see the class for its gradient."""
        if reduction != "mean":
            raise InputError("two gradients are weighed, not rows", fix="use reduction='mean'")
        names = [name for name in ("queries", "keys", "owned") if getattr(sides, name) is not None]
        given: list[Points] = [getattr(sides, name) for name in names]
        cut = [points.with_z(points.z.detach().requires_grad_(torch.is_grad_enabled())) for points in given]
        parts: dict[str, Any] = dict(zip(names, cut, strict=True))
        alone = replace(sides, **parts)
        losses, left_out = [], []
        for term in self.objectives:
            assert isinstance(term, Objective)
            seen = alone if "owned" in term.uses else replace(alone, owned=None)
            losses.append(term.loss(seen, block, group, reduction))
            left_out.append(term.left_out)
        self.left_out = torch.stack(left_out).sum()
        value = torch.stack(losses).sum()
        if not any(points.z.requires_grad for points in given):
            return value
        first, second = (_by_points(loss, [points.z for points in cut]) for loss in losses)
        apart = [b - a for a, b in zip(first, second, strict=True)]
        products = torch.stack([_product(apart, second), _product(apart, apart)])
        if group is not None:
            products = distributed.total(products, group)
        # equal gradients are each of their means
        self.share = torch.where(products[1] > 0, products[0] / products[1], 0.5).clamp(0, 1)
        shared = [torch.lerp(b, a, self.share.to(a)) for a, b in zip(first, second, strict=True)]
        # of no value, and with this gradient
        moved = [(g * (points.z - points.z.detach())).sum() for g, points in zip(shared, given, strict=True)]
        return value + torch.stack(moved).sum()


def _by_points(loss: Tensor, points: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, points, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(z) if g is None else g for z, g in zip(points, found, strict=True)]


def _product(first: list[Tensor], second: list[Tensor]) -> Tensor:
    return torch.stack([(a.double() * b.double()).sum() for a, b in zip(first, second, strict=True)]).sum()
