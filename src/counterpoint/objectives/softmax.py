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

from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, log_weight, weighted_mean
from counterpoint.geometry import Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout
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

    Example:
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

    Args:
        temperature: A number or a learned `Temperature`.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Example:
        >>> q = torch.eye(3)
        >>> round(InfoNCE(temperature=1.0)(q, q).item(), 4)  # log(e + 2) - 1
        0.5514
    """

    def __init__(
        self,
        temperature: float | Temperature = 0.05,
        *,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each positive alone against the negatives, averaged outside the logarithm."""
        return softmax_rows(block, "each", "outside")


class Decoupled(RowObjective):
    """Decoupled contrastive learning: the positive is not in the denominator, `-s_ip + log sum_N exp(s_in)`.

    Source: Yeh et al. 2022, "Decoupled Contrastive Learning", eq. 6 (DCL, with weight 1). Their view layout is
    `views`, where both views of the other samples are negatives.

    Args:
        temperature: A number or a learned `Temperature`.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Example:
        >>> q = torch.eye(3)
        >>> round(Decoupled(temperature=1.0)(q, q).item(), 4)  # log(4) - 1
        0.3863
    """

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

    Example:
        >>> from counterpoint.points import Points
        >>> p = Points(torch.eye(3), label=torch.tensor([0, 0, 1]))
        >>> loss = SupCon(temperature=1.0)
        >>> round(loss(p).item(), 4), int(loss.left_out)  # the third has no positive
        (0.6931, 1)
    """

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
