"""Pairs weighed by how likely it is that nobody looked: inverse propensity."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout
from counterpoint.objectives.distillation import _guide


class InversePropensity(RowObjective):
    r"""Every positive against every negative, weighed by the guide's score of the negative.

    `l_i = mean_{p, n} w_in log(1 + exp(s_in - s_ip))` with `w_in = 1 / (1 - sigmoid(g_in / t)) = 1 + exp(g_in / t)`.
    `g` is the guide's score, and `sigmoid(g / t)` how likely a document was looked at: one that was, and is no answer,
    weighs much. Weights have no gradient; they are above 1, neither normalised nor bounded, and 2 for a guide of 0.
    With one positive and one negative the logarithm is the softmax cross-entropy. Source: Cai et al. 2022, "Hard
    Negatives or False Negatives: Correcting Pooling Bias in Training Neural Ranking Models", as in the authors' code.

    A row counts if it has a positive and a negative.

    Args:
        guide_temperature: `t`, above 0; 10 is theirs, and infinity gives all the same weight.
        layout: Which keys a query sees.
        **options: `geometry` (`Dot` by default), `relation`, `guide_geometry`, see `RowObjective`.

    Raises:
        InputError: for a temperature that is not above 0; in a call, without the guide's scores.

    Examples:
        >>> from counterpoint.objectives import Guide
        >>> from counterpoint.points import Points
        >>> owned = Points(torch.tensor([[[1.0], [1.0]]]), positive=torch.tensor([[1.0, 0.0]]))
        >>> guide = Guide(owned=torch.tensor([[0.0, 10.0]]))
        >>> round(InversePropensity()(torch.ones(1, 1), owned=owned, guide=guide).item(), 4)  # (1 + e) log 2
        2.5773
    """

    uses = frozenset({"owned", "guide"})

    def __init__(self, guide_temperature: float = 10.0, *, layout: Layout = "one-way", **options: Any) -> None:
        if not guide_temperature > 0 or math.isnan(guide_temperature):
            raise InputError(f"the guide's temperature is {guide_temperature}, it must be above 0", fix="10 is theirs")
        options.setdefault("geometry", Dot())
        super().__init__(1.0, layout=layout, **options)
        self.guide_temperature = guide_temperature

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each row's mean."""
        inverse = 1 + (_guide(block, "InversePropensity").detach() / self.guide_temperature).exp()
        scores, weight = block.positives()
        counts = (weight > 0).any(1) & block.any_negative
        # at most as many passes as a row has positives
        top = weight.topk(int((weight > 0).sum(1).max()), dim=1)
        losses = [
            weighted_mean(inverse * F.softplus(block.scores - p[:, None]), block.negative)
            for p in scores.gather(1, top.indices).unbind(1)
        ]
        if not losses:
            return block.scores.sum(1) * 0, counts
        return weighted_mean(torch.stack(losses, 1), top.values), counts
