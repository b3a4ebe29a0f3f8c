"""Temperatures that are learned or follow the training: MACL's of the model, iSogCLR's of samples, AMCL's of pairs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from counterpoint.engine import distributed
from counterpoint.engine.blocks import Block, log_weight, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Dot, Temperature, check_temperature
from counterpoint.objectives._base import Reduction, RowObjective
from counterpoint.objectives._layouts import Guide, Layout, Sides
from counterpoint.objectives.softmax import softmax_rows
from counterpoint.points import Points
from counterpoint.relation import same


class _MeanPositive(RowObjective):
    """Mean score of the positives."""

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's mean over its positives."""
        scores, weight = block.positives()
        return weighted_mean(scores, weight), weight.sum(1) > 0


class MACL(RowObjective):
    """Model-aware contrastive loss: the better aligned the model, the higher the temperature.

    `-V_i log P_i`, where `P_i` is the softmax probability of the positive at temperature
    `t = t0 (1 + alpha (A - A0))`, `A` is the mean cosine of the positive pairs, and `V_i = 1 / (1 - P_i)` gives the
    gradient back what a large `P_i` takes from it. `A` and `V` have no gradient. Source: Huang et al. 2023,
    "Model-Aware Contrastive Learning: Towards Escaping the Dilemmas", eq. 7, 9 and 12, and `macl.py` of the
    authors' code. Their first code has this loss in layout `one-way` (a view against the other views) with `alpha` 1
    and no threshold, and another law of the temperature, `t0 2^A`, which is not here;
    `views` is SimCLR's, with which the paper compares.

    Args:
        temperature: `t0`.
        alpha: From 0 to below 1; how much the alignment changes the temperature. 0: not at all.
        threshold: `A0`.
        reweight: Whether rows are weighted by `V`; else by 1.
        layout: Which keys a query sees.
        **options: `geometry` (scores in [-1, 1]), `relation`, see `RowObjective`.

    Raises:
        InputError: for an alpha out of its range.

    Examples:
        >>> q = torch.eye(2)
        >>> loss = MACL(1.0, alpha=0.0, layout="one-way")
        >>> round(loss(q, q).item(), 4)  # p = e / (e + 1): -log(p) / (1 - p)
        1.1648
    """

    def __init__(
        self,
        temperature: float | Temperature = 0.1,
        *,
        alpha: float = 0.5,
        threshold: float = 0.0,
        reweight: bool = True,
        layout: Layout = "views",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        if not 0 <= alpha < 1:
            raise InputError(f"alpha is {alpha}, it must be from 0 to below 1", fix="0.5 is common")
        self.alpha, self.threshold, self.reweight = alpha, threshold, reweight
        self._factor: Tensor | float = 1.0

    def scale(self) -> Tensor | float:
        """1 / temperature, as the alignment has it."""
        return super().scale() / self._factor

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """First the alignment, then the loss at its temperature."""
        alignment = _MeanPositive(layout=self.layout, geometry=self.geometry, relation=self.relation)
        with torch.no_grad():
            mean = alignment.loss(sides, block, group, "mean")
        self._factor = 1 + self.alpha * (mean - self.threshold)
        return super().loss(sides, block, group, reduction)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """InfoNCE, reweighted; a row without negatives is learned already."""
        loss, counts = softmax_rows(block, "each", "outside")
        if not self.reweight:
            return loss, counts
        missing = -torch.expm1(-loss.detach())
        return loss / missing.clamp_min(torch.finfo(loss.dtype).eps), counts


class IndividualTemperature(RowObjective):
    """A temperature for each sample, found by the loss itself (iSogCLR).

    The robust loss of anchor i is `min_{tau >= tau0} tau log E_j exp(h_ij / tau) + rho tau` with
    `h_ij = s_ij - s_ip` over its negatives j: how far the worst of them may be stressed is bounded by `rho`, so that
    frequent semantics, with many near negatives, get a high temperature. A batch sees few negatives; the expectation is
    therefore a moving average for each sample, `u_i <- (1 - gamma) u_i + gamma g_i`, and

    - the gradient for the model is that of `E_j sg(exp(h_ij / tau_i) / u_i) h_ij`;
    - the one for the temperature is `log u_i + rho - E_j exp(h_ij / tau_i) h_ij / (tau_i u_i)`, followed with momentum.

    The value is `tau_i log u_i + rho tau_i`. State is kept by the `sample` column, from 0 to below `samples`, in
    buffers, and changes in training mode only. Source: Qiu et al. 2023, "Not All Semantics are Created Equal:
    Contrastive Self-supervised Learning with Automatic Temperature Individualization", eq. 4 to 8 and algorithm 1;
    with two views, each is an anchor and both give their mean to the state.

    Args:
        samples: How many there are.
        temperature: Where each begins.
        minimum: `tau0`.
        maximum: Of the temperatures; 1 is the authors'.
        clip: Largest size of a temperature's gradient; 3 is the authors'.
        rho: 0 or more.
        gamma: Share of the batch in the moving average.
        rate: Step size of the temperatures.
        momentum: Share of the new gradient in the direction.
        layout: `views` is theirs.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a number out of its range; in a call, for sample ids that are not below `samples`.

    Examples:
        >>> loss = IndividualTemperature(3, temperature=1.0, rho=0.0, layout="one-way")
        >>> round(loss(torch.eye(3), torch.eye(3)).item(), 4)  # log E exp(0 - 1)
        -1.0
    """

    tau: Tensor
    log_mean: Tensor
    direction: Tensor

    def __init__(
        self,
        samples: int,
        *,
        temperature: float = 0.1,
        minimum: float = 0.05,
        maximum: float = math.inf,
        clip: float = math.inf,
        rho: float = 6.0,
        gamma: float = 0.9,
        rate: float = 0.01,
        momentum: float = 0.9,
        layout: Layout = "views",
        **options: Any,
    ) -> None:
        super().__init__(1.0, layout=layout, **options)
        check_temperature(minimum)
        shares = 0 < gamma <= 1 and 0 < momentum <= 1
        if samples < 1 or not minimum <= temperature <= maximum or rho < 0 or clip <= 0 or not shares:
            raise InputError(
                f"samples {samples}, temperature {temperature} of {minimum} to {maximum}, clip {clip}, rho {rho}, "
                f"gamma {gamma}, momentum {momentum}",
                fix="give samples, a temperature from minimum to maximum, clip above 0, rho >= 0, gamma and momentum "
                "from above 0 to 1",
            )
        self.maximum, self.clip = maximum, clip
        self.minimum, self.rho, self.gamma, self.rate, self.momentum = minimum, rho, gamma, rate, momentum
        self.register_buffer("tau", torch.full((samples,), float(temperature)))
        self.register_buffer("log_mean", torch.full((samples,), -torch.inf))
        self.register_buffer("direction", torch.zeros(samples))

    def loss(self, sides: Sides, block: int | None, group: Any, reduction: Reduction) -> Tensor:
        """The loss under the state, and the state after it."""
        queries = self._with_state(sides.queries)
        sides = replace(sides, queries=queries, keys=None if sides.keys is None else self._with_state(sides.keys))
        value = super().loss(sides, block, group, reduction)
        if self.training:
            with torch.no_grad():
                self._learn(sides, block, group)
        return value

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """The gradient of the weighted mean of `h`, and the value of the robust loss."""
        stressed, counts = self._stressed(block)
        tau, log_u = 1 / self._scale(block), stressed[:, 1].detach()
        surrogate = tau * stressed[:, 0]
        return surrogate - surrogate.detach() + tau * (log_u + self.rho), counts

    def _stressed(self, block: Block) -> tuple[Float[Tensor, "b 2"], Bool[Tensor, " b"]]:
        """`E_j sg(exp(h_ij / tau) / u_i) h_ij / tau`, with gradient, and `log u_i`."""
        positive, weight = block.positives()
        gap = block.scores - weighted_mean(positive, weight)[:, None]
        negative = block.negative
        counts = (weight.sum(1) > 0) & (negative > 0).any(1)
        number = torch.where(counts, negative.sum(1), 1.0)
        nothing = torch.finfo(gap.dtype).min / 4
        share = torch.where(negative > 0, gap.detach() + log_weight(negative), nothing) - number.log()[:, None]
        log_g = torch.logsumexp(share, 1)
        old = block.columns["_log_mean"].to(gap.dtype)
        mixed = (
            torch.logaddexp(old + math.log1p(-self.gamma), log_g + math.log(self.gamma)) if self.gamma < 1 else log_g
        )
        log_u = torch.where(old > -torch.inf, mixed, log_g)
        stress = ((share - log_u[:, None]).exp() * torch.where(negative > 0, gap, 0.0)).sum(1)
        return torch.stack([stress, log_u], 1), counts

    def _learn(self, sides: Sides, block: int | None, group: Any) -> None:
        """The moving averages and the temperatures take a step; rows of one sample give their mean."""

        def equation(block: Block) -> tuple[Tensor, Tensor]:
            stressed, counts = self._stressed(block)
            return torch.cat([stressed, torch.ones_like(stressed[:, :1])], 1), counts

        found = []
        for problem in self.problems(sides):
            values, _, _ = self.run(problem, equation, block, per_row=True)
            # where there is nothing to see there is one 0 a row
            values = values if values.ndim == 2 else values.new_zeros(len(values), 3)
            rows = Points(values, sample=problem.panels[0].queries.columns["sample"])
            found.append(rows if group is None else distributed.gather(rows, group))
        rows = Points.cat(found)
        rows = rows[(rows.z[:, 2] > 0) & (rows.columns["sample"] >= 0)]
        ids, place = torch.unique(rows.columns["sample"], return_inverse=True)
        each = rows.z.new_zeros(len(ids), 3).index_add(
            0, place, torch.cat([rows.z[:, :1], rows.z[:, 1:2].exp(), rows.z[:, 2:]], 1)
        )
        stress, mean = (each[:, :2] / each[:, 2:]).to(self.tau).unbind(1)
        self.log_mean[ids] = mean.log()
        gradient = (mean.log() + self.rho - stress).clamp(-self.clip, self.clip)
        self.direction[ids] = (1 - self.momentum) * self.direction[ids] + self.momentum * gradient
        self.tau[ids] = (self.tau[ids] - self.rate * self.direction[ids]).clamp(self.minimum, self.maximum)

    def _with_state(self, points: Points) -> Points:
        """Points with the temperature and the moving average of their samples."""
        ids = same("sample").ids(points.columns) if "sample" in points.columns else None
        if ids is None or (len(ids) and int(ids.max()) >= len(self.tau)):
            raise InputError(
                f"temperatures are kept for samples 0 to {len(self.tau) - 1}",
                fix="give a `sample` column of such numbers, or more `samples`",
            )
        known = ids.clamp_min(0)
        return points.with_columns(temperature=self.tau[known], _log_mean=self.log_mean[known])

    @staticmethod
    def _scale(block: Block) -> Float[Tensor, " b"]:
        assert isinstance(block.scale, Tensor)
        return block.scale[:, 0].to(block.scores.dtype)


class PairTemperature(RowObjective):
    """A temperature for each pair, from the two vectors themselves; one head of AMCL.

    `tau_ij = minimum + (maximum - minimum) sigmoid(-phi(z_i) . phi(z_j))`, `phi` a learned perceptron, which several
    heads may share. The loss of row i is the mean of `beta (d / 2 log tau + 1 / tau) - s / tau` over its positives,
    plus the mean of `s / tau` over its hardest negatives (highest score `s`), minus `beta` times the sum of
    `log tau + 1 / tau` over these. For unit vectors and `beta = 1` a positive's term is minus the log density of `z_i`
    in a Gaussian around `z_j` of variance `tau_ij`, but for a constant: the likelihood the paper starts from. Source:
    Wang et al. 2024, "Adaptive Multi-head Contrastive Learning", eq. 3 and 5, and the authors' code, whose constants
    are the defaults (`beta` is that of their SimCLR).

    Args:
        dim: Of the vectors, `d`.
        phi: From vectors of `dim` to vectors of one length; a perceptron with `hidden` units if not given.
        hidden: Its width.
        minimum: Of the temperatures.
        maximum: Of the temperatures.
        beta: Weight of what keeps temperatures from the ends, 0 or more.
        hardest: How many negatives; 0: all. 100 of 1,022 are theirs.
        layout: `views` is theirs.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a number out of its range.

    Examples:
        >>> loss = PairTemperature(2, minimum=0.5, maximum=0.5, beta=0.0, layout="one-way")
        >>> loss(torch.eye(2), torch.eye(2)).item()  # 0 / 0.5 - 1 / 0.5
        -2.0
    """

    def __init__(
        self,
        dim: int,
        *,
        phi: nn.Module | None = None,
        hidden: int = 128,
        minimum: float = 1e-5,
        maximum: float = 2.0,
        beta: float = 1e-4,
        hardest: int = 0,
        layout: Layout = "views",
        **options: Any,
    ) -> None:
        super().__init__(1.0, layout=layout, guide_geometry=Dot(), **options)
        check_temperature(minimum)
        if dim < 1 or hidden < 1 or maximum < minimum or beta < 0 or hardest < 0:
            raise InputError(
                f"dim {dim}, hidden {hidden}, temperatures {minimum} to {maximum}, beta {beta}, hardest {hardest}",
                fix="give dim and hidden of 1 or more, minimum <= maximum, and beta and hardest of 0 or more",
            )
        self.dim, self.minimum, self.maximum, self.beta, self.hardest = dim, minimum, maximum, beta, hardest
        self.phi = phi or nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def guide(self, sides: Sides) -> Guide:
        """`phi` of every vector: its inner products stand where a teacher's scores would."""

        def phi(points: Points) -> Tensor:
            z: Tensor = self.geometry.prepare(points.z)
            if z.shape[-1] != self.dim:
                raise InputError(f"vectors have {z.shape[-1]} dimensions, phi is for {self.dim}", fix="give that dim")
            found: Tensor = self.phi(z.to(next(self.phi.parameters()).dtype))
            return found

        q = phi(sides.queries)
        owned = None if sides.owned is None else torch.einsum("nd,nsd->ns", q, phi(sides.owned))
        return Guide(q, None if sides.keys is None else phi(sides.keys), owned)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Hardest negatives minus positives, each at the temperature of its pair."""
        assert block.guide is not None
        scores, far, counts = block.scores, block.negative, (block.positive > 0).any(1)
        tau = self._tau(block.guide)
        near = weighted_mean(self.beta * (self.dim / 2 * tau.log() + 1 / tau) - scores / tau, block.positive)
        if self.hardest:
            places = torch.where(far > 0, scores.detach(), -torch.inf).topk(min(self.hardest, far.shape[1])).indices
            scores, tau, far = (x.gather(1, places) for x in (scores, tau, far))
        ends = (torch.where(far > 0, tau.log() + 1 / tau, 0.0) * far).sum(1)
        return near + weighted_mean(scores / tau, far) - self.beta * ends, counts

    def temperatures(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Of each pair of two sets of prepared vectors.

        Examples:
            >>> PairTemperature(3, minimum=0.5, maximum=0.5).temperatures(torch.eye(3), torch.eye(3)[:2]).shape
            torch.Size([3, 2])
        """
        return self._tau(self.phi(x) @ self.phi(y).T)

    def _tau(self, inner: Tensor) -> Tensor:
        """Equation 3, from the inner product of what `phi` makes of both."""
        return self.minimum + (self.maximum - self.minimum) * torch.sigmoid(-inner)
