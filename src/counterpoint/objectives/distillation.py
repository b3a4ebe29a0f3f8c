"""Distillation: the guide's scores of the same pairs are the target."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, shares, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Temperature, check_temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout
from counterpoint.objectives.pairs import Shape


def _guide(block: Block, name: str) -> Tensor:
    if block.guide is None or block.guide.shape != block.scores.shape:
        raise InputError(
            f"{name} needs the teacher's score of every key a query sees",
            fix="pass guide=Guide(queries, keys) and, with owned keys, Guide(owned=scores)",
        )
    return block.guide


class ScoreError(RowObjective):
    """The student's scores must be the guide's: the mean of `shape(s - t)` over all keys a query sees.

    With the pairs' own grades for a guide it is a regression on them, `torch.square` the usual one.

    Args:
        shape: From differences to losses.
        temperature: The student's.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> pair = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 0.0]]])
        >>> ScoreError()(pair[0], owned=pair[1], guide=Guide(owned=torch.tensor([[0.5]]))).item()  # (1 - 0.5)^2
        0.25
    """

    uses = frozenset({"owned", "guide"})

    def __init__(
        self,
        shape: Shape = torch.square,
        *,
        temperature: float | Temperature = 1.0,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        self.shape = shape

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Mean over what is positive or negative."""
        error = self.shape(block.scores - _guide(block, "ScoreError"))
        seen = torch.maximum(block.positive, block.negative)
        return weighted_mean(error, seen), seen.any(1)


class MarginMSE(RowObjective):
    """The student's margin between a positive and a negative must be the teacher's.

    `mean_{p, n} ((s_ip - s_in) - (t_ip - t_in))^2`, which with `e = s - t` and `m = mean_p e` is `mean_p (e - m)^2 +
    mean_n (e - m)^2`, so that many positives and negatives cost no more than one of each. Source: Hofstaetter et al.
    2020, "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation", eq. 8.

    Args:
        layout: Which keys a query sees.
        **options: `geometry` (`Dot` by default), `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> from counterpoint.points import Points
        >>> q = torch.tensor([[1.0]])
        >>> owned = Points(torch.tensor([[[3.0], [1.0]]]), positive=torch.tensor([[1.0, 0.0]]))
        >>> MarginMSE()(q, owned=owned, guide=Guide(owned=torch.tensor([[5.0, 0.0]]))).item()
        9.0
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Mean squared difference of margins."""
        error = block.scores - _guide(block, "MarginMSE")
        positive, negative = shares(block.positive), shares(block.negative)
        # about the mean of the positives there is no product of means to take off
        square = (error - (error * positive).sum(1, keepdim=True)).square()
        return (square * (positive + negative)).sum(1), positive.any(1) & negative.any(1)


class DistillKL(RowObjective):
    """The student's distribution over a query's keys must be the teacher's: `KL(softmax(t) || softmax(s))`.

    Keys that are neither positive nor negative are left out of both distributions. Sources: Hinton et al. 2015,
    section 2; Ren et al. 2021 (RocketQAv2), eq. 5, for retrieval lists. Hinton's factor `temperature^2` is not in it.

    Args:
        temperature: The student's.
        guide_temperature: The teacher's.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> z = torch.eye(2)
        >>> DistillKL(temperature=1.0)(z, z, guide=Guide(z, z)).item()
        0.0
    """

    uses = frozenset({"owned", "guide"})

    def __init__(
        self,
        temperature: float | Temperature = 0.05,
        *,
        guide_temperature: float = 1.0,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        check_temperature(guide_temperature)
        self.guide_temperature = guide_temperature

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """KL divergence of each row."""
        seen = (block.positive + block.negative).bool()
        guide, scores = _guide(block, "DistillKL") / self.guide_temperature, block.scores
        if not bool(seen.all()):
            # far below what is seen, where the teacher's probability is 0
            nothing = torch.finfo(scores.dtype).min / 4
            guide, scores = torch.where(seen, guide, nothing), torch.where(seen, scores, nothing)
        teacher, student = F.log_softmax(guide, 1), F.log_softmax(scores, 1)
        return ((teacher - student) * teacher.exp()).sum(1), seen.any(1)


class AgainstRanker(RowObjective):
    """A query's documents are to be found the more, the less a ranker, the guide, tells them from the positive.

    `-sum_j w_j log p_j` over what is positive or negative, with the student's softmax `p` and `w_j = -log(e^{t_+} /
    (e^{t_+} + e^{t_j}))`, the ranker's loss on document `j` beside the positive, whose score `t_+` is the mean of
    several; of the positive itself `w = log 2`. So a retriever puts forward what the ranker finds hard, from which the
    ranker then learns. Source: Zhang et al. 2021, "Adversarial Retriever-Ranker for dense text retrieval" (AR2), and
    their code, where it is the plain sum over the list and not an expectation under the retriever.

    Args:
        temperature: The student's.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> from counterpoint.points import Points
        >>> owned = Points(torch.ones(1, 2, 1), positive=torch.tensor([[1.0, 0.0]]))
        >>> guide = Guide(owned=torch.tensor([[1.0, 1.0]]))
        >>> round(AgainstRanker()(torch.ones(1, 1), owned=owned, guide=guide).item(), 4)  # 2 log(2)^2
        0.9609
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, temperature: float | Temperature = 1.0, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(temperature, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The sum over each row's documents."""
        seen = (block.positive + block.negative).bool()
        guide, nothing = _guide(block, "AgainstRanker"), torch.finfo(block.scores.dtype).min / 4
        positive = (guide * shares(block.positive)).sum(1, keepdim=True)
        log_p = F.log_softmax(torch.where(seen, block.scores, nothing), 1)
        return -torch.where(seen, F.softplus(guide - positive) * log_p, 0.0).sum(1), block.positive.any(1)


class ListMLE(RowObjective):
    """The likelihood of the guide's order of a query's keys, each drawn from those that are left by their scores.

    With `s_(1), s_(2), ...` the student's scores from the guide's best key to its worst it is `sum_k [log sum_{l >= k}
    exp(s_(l)) - s_(k)]` (Plackett and Luce's model). How far apart the guide's scores are says nothing, keys of equal
    ones stay in their order, and keys that are neither positive nor negative are left out. Source: Xia et al. 2008,
    "Listwise Approach to Learning to Rank: Theory and Algorithm".

    Args:
        temperature: The student's.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> q, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
        >>> round(ListMLE(1.0)(q, owned=keys, guide=Guide(owned=torch.tensor([[2.0, 1.0]]))).item(), 4)  # log(2)
        0.6931
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, temperature: float | Temperature = 0.05, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(temperature, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The sum over places, the last first."""
        seen = (block.positive + block.negative).bool()
        guide, nothing = _guide(block, "ListMLE"), torch.finfo(block.scores.dtype).min / 4
        order = torch.where(seen, guide, -torch.inf).argsort(dim=1, descending=True, stable=True)
        # what is left out comes last, where it adds nothing to the sums of those before
        scores = torch.where(seen, block.scores, nothing).gather(1, order)
        left = scores.flip(1).logcumsumexp(1).flip(1)
        return torch.where(seen.gather(1, order), left - scores, 0.0).sum(1), seen.any(1)


class LambdaMRR(RowObjective):
    """Each two keys of a query's list in the guide's order, by how far apart their reciprocal ranks are.

    `sum_ij [t_i > t_j] |1 / r_i - 1 / r_j| log(1 + exp(s_j - s_i))`, with `r` a key's place in the order of the
    student's scores `s`, 1 the best, which has no gradient. Keys that are neither positive nor negative are left out,
    and a row without two keys of different guidance does not count. Memory is that of all pairs of a list: for lists,
    not for the keys of a batch.

    Sources: Burges 2010, "From RankNet to LambdaRank to LambdaMART" (the form); Zeng et al. 2022, "Curriculum Learning
    for Dense Retrieval Distillation", and Zamani and Bendersky 2023, "Multivariate Representation Learning for
    Information Retrieval" (reciprocal ranks, a teacher's order).

    Args:
        temperature: The student's.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, `guide_geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> q, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
        >>> round(LambdaMRR()(q, owned=keys, guide=Guide(owned=torch.tensor([[2.0, 1.0]]))).item(), 4)  # log(2) / 2
        0.3466
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, temperature: float | Temperature = 1.0, *, layout: Layout = "one-way", **options: Any) -> None:
        super().__init__(temperature, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The sum over pairs."""
        seen, scores = (block.positive + block.negative).bool(), block.scores
        guide = _guide(block, "LambdaMRR")
        order = torch.where(seen, scores.detach(), -torch.inf).argsort(dim=1, descending=True, stable=True)
        gain = 1 / (order.argsort(dim=1) + 1).to(scores)
        above = (guide[:, :, None] > guide[:, None]) & seen[:, :, None] & seen[:, None]
        weight = above * (gain[:, :, None] - gain[:, None]).abs()
        return (weight * F.softplus(scores[:, None] - scores[:, :, None])).sum((1, 2)), above.flatten(1).any(1)
