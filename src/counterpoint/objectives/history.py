"""Objectives that remember how each pair has done: pairs that look bad count less."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.errors import InputError
from counterpoint.objectives._base import Objective, Reduction
from counterpoint.objectives._layouts import Sides
from counterpoint.points import Points


class BadPairs(Objective):
    """Dynamic bad pair mining: positives that are learned too easily, or not at all, lose weight.

    For each sample the mean `m_i` of all its losses so far is kept; `mu` and `sd` are mean and standard deviation of
    these over the samples. After `warmup` losses of a sample, one with `m_i <= mu - noisy * sd` (a noisy pair: views
    that share nothing but noise) or `m_i >= mu + faulty * sd` (a faulty pair: views that do not belong together) has
    its loss multiplied by the density of its loss under the normal distribution of `mu` and `sd`. Source: Lan et al.
    2024, "Towards Enhancing Time Series Contrastive Learning: A Dynamic Bad Pair Mining Approach", eq. 3 to 7.

    State is kept by the `sample` column, from 0 to below `samples`, in buffers, and changes in training mode only.

    Args:
        objective: Has a value a row: a row objective of layout `one-way` or `views`.
        samples: How many there are.
        warmup: Losses of a sample before it is judged.
        noisy: In standard deviations below the mean.
        faulty: In standard deviations above the mean.

    Raises:
        InputError: for a number out of its range; in a call, for sample ids that are not below `samples`.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> plain, q = InfoNCE(0.5), torch.eye(3)
        >>> torch.equal(BadPairs(plain, 3)(q, q), plain(q, q))  # nobody is judged yet
        True
    """

    kind = "row"
    total: Tensor
    number: Tensor

    def __init__(
        self, objective: Objective, samples: int, *, warmup: int = 5, noisy: float = 3.0, faulty: float = 3.0
    ) -> None:
        super().__init__()
        if samples < 1 or warmup < 1 or min(noisy, faulty) < 0:
            raise InputError(
                f"{samples} samples, {warmup} losses of warm-up, {noisy} and {faulty} standard deviations",
                fix="give 1 or more of the first two, 0 or more of the others",
            )
        self.objective, self.warmup, self.noisy, self.faulty = objective, warmup, noisy, faulty
        self.register_buffer("total", torch.zeros(samples))
        self.register_buffer("number", torch.zeros(samples))

    def guess(self, queries: int, keys: int | None) -> float | None:
        """That of the objective."""
        return self.objective.guess(queries, keys)

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective's losses, each by its weight."""
        values = self.objective.loss(sides, block, group, "none")
        self.left_out = self.objective.left_out
        rows = (
            [sides.queries] if len(values) == len(sides.queries) or sides.keys is None else [sides.queries, sides.keys]
        )
        ids = [side.columns.get("sample") for side in rows]
        if any(i is None or (len(i) and int(i.max()) >= len(self.total)) for i in ids):
            raise InputError(
                f"losses are kept of samples 0 to {len(self.total) - 1}",
                fix="give a `sample` column of such numbers, or more `samples`",
            )
        sample = torch.cat([i for i in ids if i is not None])
        # losses are above 0, and a row that does not count is exactly 0
        counted = (values.detach() != 0) & (sample >= 0)
        weighted = values * self._weight(sample, values.detach())
        every = Points(torch.stack([weighted, values.detach(), counted.to(values)], 1), sample=sample)
        if group is not None:
            every = distributed.gather(every, group)
        if self.training:
            self._remember(every)
        if reduction == "none":
            return weighted
        value = every.z[:, 0].sum() / every.z[:, 2].sum().clamp_min(1)
        if group is None:
            return value
        share = value / dist.get_world_size(group)
        return share + (value - share).detach()

    @torch.no_grad()
    def _weight(self, sample: Tensor, values: Tensor) -> Tensor:
        known = self.number > 0
        if int(known.sum()) < 2:
            return torch.ones_like(values)
        mean = self.total / self.number.clamp_min(1)
        mu, sd = mean[known].mean(), mean[known].std(correction=0)
        here = mean[sample.clamp_min(0)]
        bad = (here <= mu - self.noisy * sd) | (here >= mu + self.faulty * sd)
        bad = bad & (self.number[sample.clamp_min(0)] >= self.warmup) & (sample >= 0) & (sd > 0)
        density = torch.exp(-((values - mu) ** 2) / (2 * sd**2)) / (sd * math.sqrt(2 * math.pi))
        return torch.where(bad, density, 1.0).to(values)

    @torch.no_grad()
    def _remember(self, every: Points) -> None:
        seen = every[every.z[:, 2] > 0]
        ids = seen.columns["sample"]
        self.total.index_add_(0, ids, seen.z[:, 1].to(self.total))
        self.number.index_add_(0, ids, torch.ones_like(seen.z[:, 1]).to(self.number))
