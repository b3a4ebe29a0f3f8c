"""Proxies: learned vectors that stand for classes, as the keys (or the rows) of any row objective."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import Objective, Reduction
from counterpoint.objectives._layouts import Sides
from counterpoint.objectives.softmax import InfoNCE
from counterpoint.points import Points


class Proxies(Objective):
    """Points against learned vectors of their classes, by any row objective: a classifier is one of them.

    The class, a point's `label`, takes the place of the `sample`: the positive of a point is the proxy of its class,
    all other proxies are negatives. A column that is `(n, classes)` says how much of each class a point is, for an
    objective whose relation asks it (`portion`). Known as:

    | loss | objective |
    |---|---|
    | normalised softmax | `InfoNCE(t)` |
    | CosFace, ArcFace | `InfoNCE(1 / scale, margin=m)`, `InfoNCE(1 / scale, angular_margin=a)` |
    | sub-centre ArcFace, SoftTriple | the same with `per_class` above 1 and `geometry=SubCentres(...)` |
    | ProxyNCA | `Decoupled(1, layout="one-way", geometry=Euclidean(squared=True, normalized=True))` |
    | Proxy-Anchor | `rows="proxies"` and `Pooled(..., floor=True)` for each side |

    Sources: Zhai and Wu 2019 (normalised softmax); Wang et al. 2018 (CosFace); Deng et al. 2019 (ArcFace); Deng et al.
    2020 (sub-centres); Qian et al. 2019 (SoftTriple); Movshovitz-Attias et al. 2017 (ProxyNCA); Kim et al. 2020
    (Proxy-Anchor).

    Args:
        objective: With layout `one-way` and positives by `sample`, or a sum of such.
        classes: How many; labels are 0 to `classes - 1`. A point with another label has no positive.
        dim: Of the points.
        per_class: Vectors a class; above 1 the objective's geometry must take several a key.
        rows: `"points"`: each point against all proxies; `"proxies"`: each proxy against all points.
        column: Where the class stands.

    Queries and keys, if there are keys, are points alike.

    Raises:
        InputError: for points without the column.

    Examples:
        >>> loss = Proxies(InfoNCE(0.05), classes=3, dim=2)
        >>> points = Points(torch.randn(4, 2), label=torch.tensor([0, 1, 2, 0]))
        >>> loss(points).shape, loss.vectors.shape
        (torch.Size([]), torch.Size([3, 2]))
    """

    kind = "point"

    def __init__(
        self,
        objective: Objective,
        classes: int,
        dim: int,
        *,
        per_class: int = 1,
        rows: Literal["points", "proxies"] = "points",
        column: str = "label",
    ) -> None:
        super().__init__()
        self.objective = objective
        several = (per_class,) if per_class > 1 else ()
        self.vectors = nn.Parameter(torch.randn(classes, *several, dim))
        self.rows, self.column = rows, column

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective on points and proxies."""
        points = sides.queries if sides.keys is None else Points.cat([sides.queries, sides.keys])
        if self.column not in points.columns:
            what = f"proxies are found by {self.column}, which the points lack"
            raise InputError(what, fix=f"pass Points(z, {self.column}=...)")
        own = points.columns[self.column]
        classes = torch.arange(len(self.vectors), device=points.z.device)
        known = classes
        if own.ndim == 1:
            points = points.with_columns(sample=own)
        else:
            known = torch.eye(len(classes), dtype=own.dtype, device=own.device)
        proxies = Points(self.vectors.to(points.z.dtype), {"sample": classes, self.column: known})
        spread = sides.spread
        # every process has all proxies already
        apart = replace(sides, queries=points, keys=proxies, spread=lambda p: spread(p) if "_data" in p.columns else p)
        if self.rows == "proxies":
            data = points.with_columns(_data=torch.ones(len(points), device=points.z.device))
            apart = replace(apart, queries=proxies, keys=data)
        value = self.objective.loss(apart, block, group, reduction)
        self.left_out = self.objective.left_out
        return value


class Logits(Proxies):
    """Points that are logits of classes: the proxies are the axes, and nothing is learned. Cross-entropy, by default.

    A linear layer of the head makes them, perhaps beside the representation (`Several`, `Part`).

    Args:
        classes: How many; points have as many dimensions.
        objective: As of `Proxies`; the softmax of the inner product by default.
        column: As of `Proxies`.

    Examples:
        >>> points = Points(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), label=torch.tensor([0, 0]))
        >>> loss = torch.nn.functional.cross_entropy(points.z, points.columns["label"])
        >>> bool(Logits(2)(points).isclose(loss))
        True
    """

    def __init__(self, classes: int, objective: Objective | None = None, *, column: str = "label") -> None:
        super().__init__(objective or InfoNCE(1.0, geometry=Dot()), classes, classes, column=column)
        del self.vectors  # nothing to learn
        self.register_buffer("vectors", torch.eye(classes))
