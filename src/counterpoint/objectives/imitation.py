"""What a student's list is to have of its teacher's: who is right and how surely, the order, what pairs look like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, shares, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Cosine, Temperature
from counterpoint.objectives._base import Objective, Reduction, RowObjective
from counterpoint.objectives._layouts import Guide, Layout, Sides
from counterpoint.objectives.distillation import ScoreError, _guide
from counterpoint.points import Points


class ContrastiveImitation(RowObjective):
    """Cross-entropy of scores that a teacher multiplies: the positive's by `p`, a negative's by `1 - p`.

    `-log softmax_j(w_j s_j)` at the positive, over what is positive or negative, where the guide's `p`, from 0 to 1, is
    how likely the teacher takes a key for an answer; of several positives it is the mean. So a negative that the
    teacher takes for an answer is hardly pushed away. Source: Liao et al. 2024, "D2LLM: Decomposed and Distilled Large
    Language Models for Semantic Search", contrastive imitation, and the authors' code.

    Args:
        temperature: The student's.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> from counterpoint.points import Points
        >>> owned = Points(torch.ones(1, 2, 1), positive=torch.tensor([[1.0, 0.0]]))
        >>> sure = Guide(owned=torch.tensor([[1.0, 1.0]]))
        >>> round(ContrastiveImitation()(torch.ones(1, 1), owned=owned, guide=sure).item(), 4)  # log(e + 1) - 1
        0.3133
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, temperature: float | Temperature = 1.0, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(temperature, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's, if it has a positive."""
        guide, seen = _guide(block, "ContrastiveImitation"), (block.positive + block.negative).bool()
        weighed = block.scores * torch.where(block.positive > 0, guide, 1 - guide)
        log_p = F.log_softmax(torch.where(seen, weighed, torch.finfo(weighed.dtype).min / 4), 1)
        # without what is not seen, whose logarithm is far from any number
        return -(torch.where(seen, log_p, 0.0) * shares(block.positive)).sum(1), block.positive.any(1)


class RankImitation(RowObjective):
    """One less Pearson's correlation of a row's scores with the teacher's, over what is positive or negative.

    Whatever the scale and the offset of both. A row of scores that are all the same, of either, is at 1. Source: Liao
    et al. 2024, "D2LLM: Decomposed and Distilled Large Language Models for Semantic Search", rank imitation.

    Args:
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> q, keys = torch.ones(1, 1), torch.tensor([[[1.0], [2.0], [3.0]]])
        >>> from counterpoint.geometry import Dot
        >>> RankImitation(geometry=Dot())(q, owned=keys, guide=Guide(owned=torch.tensor([[30.0, 20.0, 10.0]]))).item()
        2.0
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's, if it sees two keys or more."""
        guide, seen = _guide(block, "RankImitation"), torch.maximum(block.positive, block.negative)
        sides = [side - weighted_mean(side, seen)[:, None] for side in (block.scores, guide)]
        variances = [weighted_mean(side.square(), seen) for side in sides]
        # where nothing differs there is no direction, and the gradient is 0
        scale = (variances[0] * variances[1]).clamp_min(torch.finfo(guide.dtype).tiny ** 0.5).sqrt()
        return 1 - weighted_mean(sides[0] * sides[1], seen) / scale, seen.bool().sum(1) > 1


class OrderImitation(RowObjective):
    """Positives before negatives, by how much the teacher puts the one before the other.

    `-mean_{p, n} max(t_p - t_n, 0) log sigmoid(s_p - s_n)` over a row's positives and negatives. With hard negatives
    for positives and easy ones for negatives it is the second rank imitation of Liao et al. 2024, "D2LLM: Decomposed
    and Distilled Large Language Models for Semantic Search", as in the authors' code.

    Args:
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> from counterpoint.points import Points
        >>> owned = Points(torch.ones(1, 2, 1), positive=torch.tensor([[1.0, 0.0]]))
        >>> said = Guide(owned=torch.tensor([[1.0, 0.5]]))
        >>> round(OrderImitation()(torch.ones(1, 1), owned=owned, guide=said).item(), 4)  # log(2) / 2
        0.3466
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's, if it has both."""
        guide, s, counts = _guide(block, "OrderImitation"), block.scores, block.positive.any(1) & block.negative.any(1)
        losses = (guide[:, :, None] - guide[:, None]).relu() * F.softplus(s[:, None] - s[:, :, None])
        weight = shares(block.positive)[:, :, None] * shares(block.negative)[:, None]
        return (losses * weight).sum((1, 2)), counts


class FeatureImitation(Objective):
    """What is made of a query's pairs is to be as alike, by cosines, as the teacher has it.

    The mean of `(cos(x_j, x_k) - c_jk)^2` over a query's first owned keys `j, k`, and over queries, where `x_j` are the
    dimensions of a key from `first` on: features of its pair. `c` is the column of the queries that says how alike a
    teacher's own features of these pairs are, `(n, f, f)`: it is of their first `f` keys, and NaN where there are
    fewer. Source: Liao et al. 2024, "D2LLM: Decomposed and Distilled Large Language Models for Semantic Search",
    feature imitation.

    Args:
        first: Dimension.
        column: The teacher's.

    Raises:
        InputError: in a call, without owned keys or the column.

    Examples:
        >>> q = Points(torch.ones(1, 1), alike=torch.eye(2)[None])
        >>> round(FeatureImitation(0)(q, owned=torch.ones(1, 2, 1)).item(), 4)  # off the diagonal 1 for 0
        0.5
    """

    kind = "point"
    uses = frozenset({"owned", "guide"})

    def __init__(self, first: int = 1, column: str = "alike") -> None:
        super().__init__()
        self.first, self.column, self._error = first, column, ScoreError(geometry=Cosine())

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """Each pair is a query, and those of its own query are its keys."""
        queries, owned = sides.queries, sides.owned
        if owned is None or self.column not in queries.columns:
            what = f"pairs are of owned keys, and queries know how alike they are: {self.column!r}"
            raise InputError(what, fix="give both")
        if reduction != "mean":
            raise InputError("pairs have no value for each query", fix="use reduction='mean'")
        alike = queries.columns[self.column]
        n, f = alike.shape[:2]
        x = owned.z[:, :f, self.first :]
        keys = x[:, None].expand(n, f, f, -1).reshape(n * f, f, -1)
        own = Points(keys, valid=~alike.flatten(0, 1).isnan())
        said = Guide(owned=alike.nan_to_num().flatten(0, 1).to(keys))
        of_pairs = replace(sides, queries=Points(x.flatten(0, 1)), keys=None, owned=own, guide=said)
        value = self._error.loss(of_pairs, block, group, reduction)
        self.left_out = self._error.left_out
        return value
