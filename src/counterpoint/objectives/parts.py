"""Objectives on some dimensions of the vectors, what keeps two such parts apart, and what keeps vectors short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Euclidean, check_temperature
from counterpoint.objectives._base import Objective, PointObjective, Reduction, RowObjective
from counterpoint.objectives._layouts import Sides, rows_at
from counterpoint.points import Points
from counterpoint.relation import Relation, same


class Part(Objective):
    """An objective on the dimensions from `first` to before `last`, such as one of two spaces of a model.

    With `silent` the part is 0 for the points whose value in that column is 0: what they must not have; with
    `silent_from` only its dimensions from that one on, counted within the part. Owned keys need not have the column.

    Args:
        objective: Taken of the part.
        first: Dimension.
        last: Dimension; None: to the end.
        silent: A column.
        silent_from: Dimension of the part.

    Raises:
        InputError: in a call, if the column is lacking.

    Examples:
        >>> from counterpoint.objectives import Alignment
        >>> q = torch.eye(2)
        >>> Part(Alignment(geometry=Dot()), 1)(q, -q).item()  # second dimension: 0 against 0, 1 against -1
        2.0
    """

    kind = "point"

    def __init__(
        self,
        objective: Objective,
        first: int = 0,
        last: int | None = None,
        *,
        silent: str | None = None,
        silent_from: int = 0,
    ) -> None:
        super().__init__()
        self.objective, self.first, self.last = objective, first, last
        self.silent, self.silent_from = silent, silent_from
        self.uses = objective.uses  # type: ignore[misc]

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective of the parts."""
        if self.silent is not None and self.silent not in sides.queries.columns:
            raise InputError(f"the part is silent by the column {self.silent!r}, which is lacking", fix="add it")

        def part(points: Points) -> Points:
            z = points.z[..., self.first : self.last]
            if self.silent in points.columns:
                heard = (points.columns[self.silent] != 0).to(z)[..., None]
                z = torch.cat([z[..., : self.silent_from], z[..., self.silent_from :] * heard], -1)
            return points.with_z(z)

        value = self.objective.loss(
            replace(
                sides,
                queries=part(sides.queries),
                keys=None if sides.keys is None else part(sides.keys),
                owned=None if sides.owned is None else part(sides.owned),
            ),
            block,
            group,
            reduction,
        )
        self.left_out = self.objective.left_out
        return value


class KernelEntropy(RowObjective):
    """Minus the entropy of points by kernel density: `E_i log E_j exp(-t |z_i - z_j|^2)`, the point itself included.

    Of two parts side by side, `z = [c, s]`, the kernel is the product of their kernels and this is minus their joint
    entropy: small where knowing one part does not tell the other (k-JEM). Two sides are measured each by itself and
    averaged. Source: Louiset et al. 2024, "Separating common from salient patterns with Contrastive Representation
    Learning", eq. 8, and the authors' code (`t = 1`).

    Args:
        t: 1 is theirs.
        **options: `relation`, `geometry` (squared distance by default), see `RowObjective`.

    Examples:
        >>> round(KernelEntropy()(torch.tensor([[0.0], [9.0]])).item(), 4)  # log((1 + 0) / 2)
        -0.6931
    """

    uses = frozenset()

    def __init__(self, t: float = 1.0, **options: Any) -> None:
        check_temperature(1 / t if t else 0.0)
        options.setdefault("geometry", Euclidean(squared=True))
        super().__init__(1 / t, layout="within", **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The logarithm of each point's density."""
        seen = (block.positive + block.negative) > 0
        nothing = torch.finfo(block.scores.dtype).min / 4
        others = torch.logsumexp(torch.where(seen, block.scores, nothing), 1)
        # the point itself has a kernel of 1
        return torch.logaddexp(others, torch.zeros_like(others)) - (1.0 + seen.sum(1)).log(), seen.any(1)


class Lengths(PointObjective):
    """Mean squared length of both ends of positive pairs, `E (|q|^2 + |k|^2)`: what keeps products from growing.

    Of a knowledge graph's queries, which are heads moved by relations, and of tails, asked both ways round, it is the
    regulariser DURA: that a product of three factors is small is said of the vectors that are compared. Sources: Zhang
    et al. 2020, "Duality-Induced Regularizer for Tensor Factorization Based Knowledge Graph Completion"; of embeddings
    of pictures Sohn 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective".

    Args:
        **options: `relation`, `geometry` (vectors as they are by default), see `PointObjective`.

    Examples:
        >>> Lengths()(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])).item()
        26.0
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(**options)

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Weighted mean over the positive pairs."""
        square = rows_at(queries.z, i).square().sum(1) + rows_at(keys.z, j).square().sum(1)
        weight = queries.columns.get("weight", torch.ones_like(queries.z[:, 0]))[i].to(square.dtype)
        return weighted_mean(square[None], weight[None])[0]


class Shrink(PointObjective):
    """Mean squared length of the points whose value in a column is 0: what they must not have is drawn to 0.

    Args:
        column: 0 marks the points.
        **options: `geometry` (vectors as they are by default), see `PointObjective`.

    Examples:
        >>> points = Points(torch.tensor([[3.0, 4.0], [1.0, 1.0]]), target=torch.tensor([0, 1]))
        >>> Shrink("target")(points).item()
        25.0
    """

    def __init__(self, column: str, **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(relation=Relation(same(column)), **options)
        self.column = column

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """The mean over both sides."""
        del i, j
        points = queries if keys is queries else Points.cat([queries, keys])
        marked = (points.columns[self.column] == 0).to(points.z)
        return (points.z.square().sum(1) * marked).sum() / marked.sum().clamp_min(1)
