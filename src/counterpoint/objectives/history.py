"""Objectives that remember how each pair has done: pairs that look bad count less."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.errors import InputError
from counterpoint.objectives._base import Objective, Reduction
from counterpoint.objectives._layouts import Sides
from counterpoint.points import Points
from counterpoint.relation import same


class BadPairs(Objective):
    """Dynamic bad pair mining: positives that are learned too easily, or not at all, lose weight.

    A pair's loss is the mean of the losses of its sample in the batch. For each sample the mean `m_i` of its losses so
    far is kept, each by its epoch's weight `(e + 1) / epochs`; when an epoch begins, `mu` and `sd` become mean and
    standard deviation of these over the samples. After `warmup` epochs one with `m_i <= mu - noisy * sd` (a noisy pair:
    views that share nothing but noise) or `m_i >= mu + faulty * sd` (a faulty pair: views that do not belong together)
    has its loss multiplied by the density of its loss under the normal distribution of `mu` and `sd`. Source: Lan et
    al. 2024, "Towards Enhancing Time Series Contrastive Learning: A Dynamic Bad Pair Mining Approach", eq. 3 to 7, with
    the weights of epochs that are in their code. A density above 1, which would make a bad pair count more than a good
    one, is taken as 1; they let it stand.

    State is kept by the `sample` column, from 0 to below `samples`, in buffers, and changes in training mode only. An
    epoch begins when a sample comes again.

    Args:
        objective: Has a value a row: a row objective of layout `one-way` or `views`.
        samples: How many there are.
        epochs: How many there will be.
        warmup: Epochs before any pair is judged.
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
    seen: Tensor
    state: Tensor

    def __init__(
        self,
        objective: Objective,
        samples: int,
        *,
        epochs: int = 80,
        warmup: int = 50,
        noisy: float = 2.0,
        faulty: float = 2.0,
    ) -> None:
        super().__init__()
        if min(samples, warmup, epochs) < 1 or min(noisy, faulty) < 0:
            raise InputError(
                f"{samples} samples, {warmup} of {epochs} epochs of warm-up, {noisy} and {faulty} standard deviations",
                fix="give 1 or more of the first three, 0 or more of the others",
            )
        self.objective, self.epochs, self.warmup, self.noisy, self.faulty = objective, epochs, warmup, noisy, faulty
        self.register_buffer("total", torch.zeros(samples))
        self.register_buffer("number", torch.zeros(samples))
        self.register_buffer("seen", torch.zeros(samples))
        self.register_buffer("state", torch.zeros(3))  # the epoch, mu and sd

    def guess(self, queries: int, keys: int | None) -> float | None:
        """That of the objective."""
        return self.objective.guess(queries, keys)

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The objective's losses, each by its pair's weight."""
        values = self.objective.loss(sides, block, group, "none")
        self.left_out = self.objective.left_out
        rows = (
            [sides.queries] if len(values) == len(sides.queries) or sides.keys is None else [sides.queries, sides.keys]
        )
        ids = [same("sample").ids(side.columns) if "sample" in side.columns else None for side in rows]
        if any(i is None or (len(i) and int(i.max()) >= len(self.total)) for i in ids):
            raise InputError(
                f"losses are kept of samples 0 to {len(self.total) - 1}",
                fix="give a `sample` column of such numbers, or more `samples`",
            )
        sample = torch.cat([i for i in ids if i is not None])
        # losses are above 0, and a row that does not count is exactly 0
        counted = (values.detach() != 0) & (sample >= 0)
        every = Points(torch.stack([values.detach(), counted.to(values)], 1), sample=sample)
        if group is not None:
            every = distributed.gather(every, group)
        known, pairs = self._pairs(every)
        if self.training:
            self._begin(known)
        here = torch.searchsorted(known, sample).clamp_max(max(len(known) - 1, 0))
        weighted = values * torch.where(counted, self._weight(known, pairs)[here], 1.0) if len(known) else values
        if self.training:
            self._remember(known, pairs)
        if reduction == "none":
            return weighted
        whole = Points(torch.stack([weighted, counted.to(values)], 1))
        if group is not None:
            whole = distributed.gather(whole, group)
        value: Tensor = whole.z[:, 0].sum() / whole.z[:, 1].sum().clamp_min(1)
        if group is None:
            return value
        share = value / dist.get_world_size(group)
        return share + (value - share).detach()

    @torch.no_grad()
    def _pairs(self, every: Points) -> tuple[Int[Tensor, " s"], Float[Tensor, " s"]]:
        """The samples that count, in order, and each one's mean loss."""
        some = every[every.z[:, 1] > 0]
        known, place = some.columns["sample"].unique(return_inverse=True)
        zero = torch.zeros(len(known)).to(every.z)
        number = zero.index_add(0, place, torch.ones_like(some.z[:, 0]))
        return known, zero.index_add(0, place, some.z[:, 0]) / number.clamp_min(1)

    @torch.no_grad()
    def _begin(self, known: Int[Tensor, " s"]) -> None:
        """If one of them comes again, a new epoch: what it is compared with is settled."""
        if not bool(self.seen[known].any()):
            return
        self.seen.zero_()
        mean = (self.total / self.number.clamp_min(1))[self.number > 0]
        self.state.copy_(torch.stack([self.state[0] + 1, mean.mean(), mean.std(correction=0)]))

    @torch.no_grad()
    def bad(self) -> Bool[Tensor, " samples"]:
        """Which samples are judged as bad."""
        epoch, mu, sd = self.state
        mean = self.total / self.number.clamp_min(1)
        outside = (mean <= mu - self.noisy * sd) | (mean >= mu + self.faulty * sd)
        bad: Tensor = outside & (self.number > 0) & (epoch >= self.warmup) & (sd > 0)
        return bad

    @torch.no_grad()
    def _weight(self, known: Int[Tensor, " s"], pairs: Float[Tensor, " s"]) -> Float[Tensor, " s"]:
        _, mu, sd = self.state
        density = torch.exp(-((pairs - mu) ** 2) / (2 * sd**2)) / (sd * math.sqrt(2 * math.pi))
        return torch.where(self.bad()[known], density.clamp_max(1.0), 1.0).to(pairs)

    @torch.no_grad()
    def _remember(self, known: Int[Tensor, " s"], pairs: Float[Tensor, " s"]) -> None:
        share = (self.state[0] + 1) / self.epochs
        self.total.index_add_(0, known, (share * pairs).to(self.total))
        self.number.index_add_(0, known, torch.ones_like(pairs).to(self.number))
        self.seen[known] = 1.0
