"""The softmax family: InfoNCE and its relatives. Which one it is, is said by two choices, named here once.

For a query i, let `s_ij` be its scores divided by the temperature, P its positives with weights `w_p`, N its
negatives with weights `w_n`:

- the **denominator** of positive p is `Z_p = exp(s_ip) + sum_N w_n exp(s_in)` (`"each"`: p alone against the
  negatives), `Z = sum_P exp(s_ip) + sum_N w_n exp(s_in)` (`"all"`: positives compete with each other) or
  `Z = sum_N w_n exp(s_in)` (`"negatives"`: decoupled);
- the **average** over positives is taken `"outside"` the logarithm, `-sum_p w_p log(exp(s_ip) / Z) / sum_p w_p`, or
  `"inside"`, `-log(sum_p w_p exp(s_ip) / Z / sum_p w_p)`.

With one positive a query, `"each"` and `"all"` are the same and so are `"outside"` and `"inside"`. Which keys a query
sees at all is the layout (`RowObjective`).
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, log_weight, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout, width
from counterpoint.objectives.reweight import Reweight
from counterpoint.relation import Relation, same

Denominator: TypeAlias = Literal["each", "all", "negatives"]
Average: TypeAlias = Literal["outside", "inside"]


def softmax_rows(
    block: Block, denominator: Denominator, average: Average
) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
    """The equation of the family, see the module.

    Args:
        block: Scores `(b, m)` and who is what.
        denominator: What a positive competes with.
        average: Where several positives are averaged.

    Returns:
        Losses `(b,)`, and which rows count: those with a positive (and a negative, if decoupled).

    Examples:
        >>> from counterpoint.engine.blocks import Block
        >>> scores = torch.tensor([[2.0, 0.0]])
        >>> block = Block(scores, (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])))
        >>> loss, counts = softmax_rows(block, "each", "outside")
        >>> round(loss.item(), 4)  # log(1 + exp(-2))
        0.1269
    """
    if denominator == "all" or (denominator == "each" and block.single):
        log_probability, weight = block.log_softmax()
    else:
        positive, weight = block.positives()
        log_z = block.log_sum_exp()
        log_probability = positive - (torch.logaddexp(positive, log_z) if denominator == "each" else log_z)
    total = weight.sum(1)
    counts = total > 0
    if denominator == "negatives":
        counts = counts & block.any_negative
    if average == "outside":
        return -weighted_mean(log_probability, weight), counts
    nothing = torch.finfo(log_probability.dtype).min / 4
    inside = torch.where(weight > 0, log_probability + log_weight(weight), nothing)
    return log_weight(total) - torch.logsumexp(inside, 1), counts


class InfoNCE(RowObjective):
    """InfoNCE: each positive against the negatives, `-log exp(s_ip) / (exp(s_ip) + sum_N exp(s_in))`.

    *Which InfoNCE is this?* The layout says which keys a query sees:

    | layout | known as |
    |---|---|
    | `one-way` (default) | CPC, DPR, SimCSE, MultipleNegativesRankingLoss: queries against keys |
    | `symmetric` | CLIP: the mean of queries against keys and keys against queries, two softmaxes |
    | `views` | NT-Xent, SimCLR: every view against all `2n - 1` others, one softmax a view |
    | `joint` | GTE's improved loss: query-key, query-query, key-query and key-key in one denominator |

    A query with several positives has the mean over them, each alone against the negatives; to have them compete,
    `SupCon`. Sources: van den Oord et al. 2018 eq. 4; Radford et al. 2021 fig. 3; Chen et al. 2020 eq. 1 (NT-Xent);
    Li et al. 2023 (GTE), section 3.3, where the positive stands in the denominator twice, as `s(q_i, d_i)` and as
    `s(d_i, q_i)`, and so it does here.

    With a margin a positive scores `cos(theta + a) - m` instead of `cos(theta)` (Deng et al. 2019, ArcFace, eq. 4, with
    `m1 = 1`): the positive must win by it. `m` alone with layout `views` is NT-Xent-AM (Lepage and Dehak 2024), `a`
    alone SNT-Xent-AAM (Lepage and Dehak 2023).

    With `reweight` a negative counts `w_in exp(s_in)`: with `hardness(alpha)` it is LLaVE's (Lan et al. 2025). Averaged
    outside the logarithm, several views of a sample are Poly-View's geometric mean, inside its arithmetic one
    (Shidani et al. 2024).

    Args:
        temperature: A number or a learned `Temperature`.
        layout: Which keys a query sees.
        margin: `m`, taken from the positives' scores, before the temperature.
        angular_margin: `a` in radians, from 0 to pi / 2, added to the angle of the positives; scores must be cosines.
        reweight: Weights of the negatives by their scores: `hardness`, `hardest`.
        average: Of several positives, `"outside"` or `"inside"` the logarithm.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a margin out of its range.

    Examples:
        >>> q = torch.eye(3)
        >>> round(InfoNCE(temperature=1.0)(q, q).item(), 4)  # log(e + 2) - 1
        0.5514
        >>> round(InfoNCE(temperature=1.0, margin=1.0)(q, q).item(), 4)  # log(1 + 2)
        1.0986
    """

    def __init__(
        self,
        temperature: float | Temperature = 0.05,
        *,
        layout: Layout = "one-way",
        margin: float = 0.0,
        angular_margin: float = 0.0,
        reweight: Reweight | None = None,
        average: Average = "outside",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        self.reweight = reweight
        self.average: Average = average
        if margin < 0 or not 0 <= angular_margin <= math.pi / 2:
            raise InputError(
                f"the margin is {margin} and the angular margin {angular_margin}",
                fix="give a margin of 0 or more, and an angle from 0 to pi / 2",
            )
        self.margin, self.angular_margin = margin, angular_margin
        self.summed = reweight is None

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each positive alone against the negatives, averaged outside the logarithm."""
        if self.margin or self.angular_margin:
            block = block.with_positives(lambda scores: self._with_margin(scores, block.scale))
        if self.reweight is not None:
            block = block.with_negatives(self.reweight(block))
        return softmax_rows(block, "each", self.average)

    def guess(self, queries: int, keys: int | None) -> float | None:
        """The logarithm of how many keys a row sees."""
        return math.log(max(1, width(self.layout, queries, keys)))

    def _with_margin(self, scores: Float[Tensor, "b m"], scale: Tensor | float) -> Float[Tensor, "b m"]:
        if self.angular_margin:
            cosine = scores / scale
            # the root has no gradient where the angle is 0
            sine = (1 - cosine.square()).clamp_min(torch.finfo(cosine.dtype).eps).sqrt()
            scores = scale * (cosine * math.cos(self.angular_margin) - sine * math.sin(self.angular_margin))
        return scores - scale * self.margin


class Decoupled(RowObjective):
    """Decoupled contrastive learning: the positive is not in the denominator, `-s_ip + log sum_N exp(s_in)`.

    Source: Yeh et al. 2022, "Decoupled Contrastive Learning", eq. 6 (DCL, with weight 1). Their view layout is
    `views`, where both views of the other samples are negatives.

    Args:
        temperature: A number or a learned `Temperature`.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Examples:
        >>> q = torch.eye(3)
        >>> round(Decoupled(temperature=1.0)(q, q).item(), 4)  # log(4) - 1
        0.3863
    """

    summed = True

    def __init__(
        self,
        temperature: float | Temperature = 0.1,
        *,
        layout: Layout = "views",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Against the negatives only."""
        return softmax_rows(block, "negatives", "outside")


class Debiased(RowObjective):
    """Debiased and hard negatives: `-log exp(s_ip) / (exp(s_ip) + N g)`, `g` estimates the mean over true negatives.

    Among keys drawn without labels a share `prior` are positives in truth. Their part is taken out of the mean:
    `g = max((E_n[exp(s_in)] - prior * E_p[exp(s_ip)]) / (1 - prior), exp(-1 / temperature))`. With `hardness` the mean
    over negatives is weighted towards the hard ones, by `exp(hardness * s_in)` with mean 1, through which the gradient
    flows, too. Sources: Chuang et al. 2020, "Debiased Contrastive Learning", eq. 7 and 8 (`N` their `Q`; the positives
    of a query are their `M` extra ones); Robinson et al. 2021, "Contrastive Learning with Hard Negative Samples",
    section 3, and its authors' code. With `prior` and `hardness` 0 and one positive a query it is `InfoNCE`.

    Args:
        temperature: A number or a learned `Temperature`.
        prior: Share of the keys that are positives in truth, from 0 to below 1.
        hardness: 0 or more.
        layout: `views` is theirs.
        **options: `geometry`, `relation`, see `RowObjective`. The floor is that of cosines.

    Raises:
        InputError: for a prior or a hardness out of its range.

    Examples:
        >>> q = torch.eye(3)
        >>> round(Debiased(1.0, prior=0.0, layout="one-way")(q, q).item(), 4)  # log(e + 2) - 1
        0.5514
    """

    summed = True

    def __init__(
        self,
        temperature: float | Temperature = 0.5,
        *,
        prior: float = 0.1,
        hardness: float = 0.0,
        layout: Layout = "views",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        if not 0 <= prior < 1 or hardness < 0:
            raise InputError(
                f"prior is {prior} and hardness {hardness}",
                fix="give a prior from 0 to below 1, a hardness of 0 or more",
            )
        self.prior, self.hardness = prior, hardness

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """In logarithms, so that no temperature overflows."""
        positive, weight = block.positives()
        total, any_negative = weight.sum(1), block.any_negative
        number = torch.where(any_negative, block.all_negatives, 1.0).log()
        if self.hardness:
            log_mean = (block.log_sum_exp(1 + self.hardness) - block.log_sum_exp(self.hardness))[:, 0]
        else:
            log_mean = block.log_sum_exp()[:, 0] - number
        nothing = torch.finfo(positive.dtype).min / 4
        own = torch.logsumexp(torch.where(weight > 0, positive + log_weight(weight), nothing), 1) - log_weight(total)
        scale = block.scale
        floor = -torch.ones_like(log_mean) * (scale[:, 0] if isinstance(scale, Tensor) and scale.ndim else scale)
        if self.prior:
            # log(e^a - prior e^b), where that is above 0
            gap = math.log(self.prior) + own - log_mean
            some = gap < -torch.finfo(gap.dtype).eps
            log_mean = log_mean + torch.log1p(-torch.where(some, gap, -1.0).exp()) - math.log(1 - self.prior)
            log_mean = torch.where(some, log_mean, floor)
        estimate = torch.maximum(log_mean, floor) + number
        losses = torch.logaddexp(positive, estimate[:, None]) - positive
        return weighted_mean(torch.where(weight > 0, losses, 0.0), weight), (total > 0) & any_negative


class SupCon(RowObjective):
    """Supervised contrastive loss: all points of the same label are positives and share one denominator.

    `out`: `-1/|P| sum_p log(exp(s_ip) / sum_{a != i} exp(s_ia))`; `in`: `-log(1/|P| sum_p exp(s_ip) / sum_{a != i}
    exp(s_ia))`. Source: Khosla et al. 2020, eq. 2 (`out`, the better) and eq. 3 (`in`). Their code multiplies the
    loss by `temperature / 0.07`; the paper's equation, and this, does not.

    Args:
        temperature: A number or a learned `Temperature`.
        average: `"outside"` (`out`) or `"inside"` (`in`) the logarithm.
        layout: `views`: queries and keys together, each against all others.
        relation: Same `label` by default.
        **options: `geometry`, see `RowObjective`.

    Examples:
        >>> from counterpoint.points import Points
        >>> p = Points(torch.eye(3), label=torch.tensor([0, 0, 1]))
        >>> loss = SupCon(temperature=1.0)
        >>> round(loss(p).item(), 4), int(loss.left_out)  # the third has no positive
        (0.6931, 1)
    """

    summed = True

    def __init__(
        self,
        temperature: float | Temperature = 0.1,
        *,
        average: Average = "outside",
        layout: Layout = "views",
        relation: Relation | None = None,
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, relation=relation or Relation(same("label")), **options)
        self.average: Average = average

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """All positives in the denominator."""
        return softmax_rows(block, "all", self.average)

    def guess(self, queries: int, keys: int | None) -> float | None:
        """The logarithm of how many keys a row sees."""
        return math.log(max(1, width(self.layout, queries, keys)))
