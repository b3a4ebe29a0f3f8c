"""Objectives made of objectives: weighted sums, one after another, and the same objective at several dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.objectives._base import Objective, Reduction
from counterpoint.objectives._layouts import Sides
from counterpoint.points import Points


class Sum(Objective):
    """A weighted sum of objectives of either kind. `0.5 * InfoNCE() + VICReg()` makes one.

    Args:
        *objectives: The terms.
        weights: One each; 1 by default.

    Examples:
        >>> from counterpoint.objectives import Alignment, Uniformity
        >>> q = torch.eye(2)
        >>> both = Alignment() + 0.5 * Uniformity()
        >>> round(both(q, q).item(), 4)
        -2.0
    """

    kind = "point"
    uses = frozenset({"owned", "guide", "score"})

    def __init__(self, *objectives: Objective, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not objectives:
            raise InputError("a sum needs an objective", fix="pass one or more")
        self.objectives = nn.ModuleList(objectives)
        self.weights = tuple(weights or (1.0,) * len(objectives))
        if len(self.weights) != len(objectives):
            raise InputError(f"{len(self.weights)} weights for {len(objectives)} objectives", fix="give one each")

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The terms' weighted sum; each term sees owned keys and guide only if it uses them."""
        terms, left_out = [], []
        for weight, term in zip(self.weights, self.objectives, strict=True):
            assert isinstance(term, Objective)
            seen = sides if "owned" in term.uses else replace(sides, owned=None)
            terms.append(weight * term.loss(seen, block, group, reduction))
            left_out.append(term.left_out)
        self.left_out = torch.stack(left_out).sum()
        return torch.stack(terms).sum(0)


class InTurn(Objective):
    """Objectives that are minimised one after another on each batch, each by a step and an optimiser of its own.

    `counterpoint.training.train` says whose turn it is: a batch is seen once for each of them, whose AdamW knows the
    gradients of that one alone, so that no weight between them is needed. Called outside the loop it is the first.
    Source: Jian et al. 2022, "Contrastive Learning for Prompt-Based Few-Shot Language Learners", and the authors' code.

    Args:
        *objectives: In their order.

    Raises:
        InputError: There are none.

    Examples:
        >>> from counterpoint.objectives import Alignment, Uniformity
        >>> q = torch.eye(2)
        >>> turns = InTurn(Alignment(), Uniformity())
        >>> first = turns(q, q).item()
        >>> turns.turn = 1
        >>> first, round(turns(q, q).item(), 4)
        (0.0, -4.0)
    """

    kind = "point"
    uses = frozenset({"owned", "guide", "score"})

    def __init__(self, *objectives: Objective) -> None:
        super().__init__()
        if not objectives:
            raise InputError("there is no objective whose turn it could be", fix="pass one or more")
        self.objectives, self.turn = nn.ModuleList(objectives), 0

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """That of the one whose turn it is, which sees owned keys and guide only if it uses them."""
        mine = self.objectives[self.turn]
        assert isinstance(mine, Objective)
        seen = sides if "owned" in mine.uses else replace(sides, owned=None)
        value = mine.loss(seen, block, group, reduction)
        self.left_out = mine.left_out
        return value


class Apart(Objective):
    """An objective that sees the shared keys alone, or the owned ones: terms of a sum may be over different lists.

    Args:
        sees: `"keys"` or `"owned"`.
        objective: It.

    Raises:
        InputError: in a call, where there are no such keys.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> q = torch.eye(2)
        >>> owned = Points(torch.eye(2)[:, None], positive=torch.ones(2, 1))
        >>> torch.equal(Apart("keys", InfoNCE())(q, q, owned=owned), InfoNCE()(q, q))
        True
    """

    kind = "point"
    uses = frozenset({"owned", "guide", "score"})

    def __init__(self, sees: Literal["keys", "owned"], objective: Objective) -> None:
        super().__init__()
        self.sees, self.objective = sees, objective

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective's, without the other keys."""
        if getattr(sides, self.sees) is None:
            raise InputError(f"there are no {self.sees} to see", fix="give batches that have some")
        other = "owned" if self.sees == "keys" else "keys"
        alone: dict[str, Any] = {other: None}
        value = self.objective.loss(replace(sides, **alone), block, group, reduction)
        self.left_out = self.objective.left_out
        return value


class Only(Objective):
    """An objective of the points that have a value in a column, such as one of several losses of a batch.

    Of keys that lack the column all are seen, and of owned keys those of the queries that are left.

    Args:
        column: Of the queries.
        value: Of those that are seen.
        objective: It.

    Raises:
        InputError: in a call, if queries lack the column.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> q = torch.eye(3)
        >>> points = Points(q, term=torch.tensor([0, 0, 1]), sample=torch.arange(3))
        >>> some = Only("term", 0, InfoNCE())(points, points)
        >>> torch.equal(some, InfoNCE()(q[:2], q[:2]))
        True
    """

    kind = "point"

    def __init__(self, column: str, value: int, objective: Objective) -> None:
        super().__init__()
        self.column, self.value, self.objective = column, value, objective
        self.uses = objective.uses  # type: ignore[misc]

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective's, of these points."""
        if self.column not in sides.queries.columns:
            raise InputError(f"points are told apart by the column {self.column!r}, which is lacking", fix="add it")
        if reduction != "mean":
            raise InputError("an objective of some points has no value for each query", fix="use reduction='mean'")
        seen = sides.queries.columns[self.column] == self.value
        keys = sides.keys
        if keys is not None and self.column in keys.columns:
            keys = keys[keys.columns[self.column] == self.value]
        owned = None if sides.owned is None else sides.owned[seen]
        alone = replace(sides, queries=sides.queries[seen], keys=keys, owned=owned)
        value = self.objective.loss(alone, block, group, reduction)
        self.left_out = self.objective.left_out
        return value


class SumBy(Objective):
    """The sum over the rows of a sample, in place of the mean over rows: `rows / samples` times an objective's mean.

    So a text's tokens count for what they are, and a divergence of the text beside them for what it is.

    Args:
        column: Of the queries: which rows are of one sample.
        objective: A mean over queries, all of which count.

    Raises:
        InputError: in a call, if queries lack the column.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> points = Points(torch.eye(4), pair=torch.tensor([0, 0, 1, 1]), sample=torch.arange(4))
        >>> bool(SumBy("pair", InfoNCE())(points, points) == 2 * InfoNCE()(points, points))
        True
    """

    kind = "point"

    def __init__(self, column: str, objective: Objective) -> None:
        super().__init__()
        self.column, self.objective = column, objective
        self.uses = objective.uses  # type: ignore[misc]

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective's, times how many rows a sample has."""
        if self.column not in sides.queries.columns:
            raise InputError(f"rows are summed by the column {self.column!r}, which is lacking", fix="add it")
        if reduction != "mean":
            raise InputError("a sum over rows has no value for each query", fix="use reduction='mean'")
        value = self.objective.loss(sides, block, group, reduction)
        self.left_out = self.objective.left_out
        named = Points(sides.queries.z.detach()[:, :1], {self.column: sides.queries.columns[self.column]})
        every = sides.spread(named).columns
        sample = every[self.column][every["valid"]] if "valid" in every else every[self.column]
        return value * (len(sample) / max(1, len(sample.unique())))


class Matryoshka(Objective):
    """One objective on the first 1, 2, ... dimensions, so that embeddings may be cut short afterwards.

    `sum_d w_d L(z[:, :d])`. Source: Kusupati et al. 2022, "Matryoshka Representation Learning", eq. 1.

    Args:
        objective: Taken at every dimension, normalised anew by its geometry.
        dimensions: Each at most the embedding's.
        weights: One each; 1 by default.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> q = torch.eye(4)
        >>> a = Matryoshka(InfoNCE(), [4, 2])(q, q)
        >>> torch.allclose(a, InfoNCE()(q, q) + InfoNCE()(q[:, :2], q[:, :2]))
        True
    """

    kind = "point"

    def __init__(
        self,
        objective: Objective,
        dimensions: Sequence[int],
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.objective, self.dimensions = objective, tuple(dimensions)
        self.weights = tuple(weights or (1.0,) * len(self.dimensions))
        self.uses = objective.uses  # type: ignore[misc]

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The weighted sum over dimensions."""
        terms = []
        for weight, d in zip(self.weights, self.dimensions, strict=True):
            if d > sides.queries.z.shape[-1]:
                raise InputError(
                    f"cannot cut {sides.queries.z.shape[-1]} dimensions to {d}",
                    fix="give dimensions within the model's",
                )

            def cut(points: Points, d: int = d) -> Points:
                return points.with_z(points.z[..., :d])

            short = replace(
                sides,
                queries=cut(sides.queries),
                keys=None if sides.keys is None else cut(sides.keys),
                owned=None if sides.owned is None else cut(sides.owned),
            )
            terms.append(weight * self.objective.loss(short, block, group, reduction))
        self.left_out = self.objective.left_out
        return torch.stack(terms).sum(0)
