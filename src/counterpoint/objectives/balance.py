"""Balance: prototypes, taken together, must be used alike."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives._whole import WholeObjective


class Balance(WholeObjective):
    """The mean of all points' assignments to the keys must be even: `sum_k p_k log(p_k K)`, `p` the mean softmax.

    It keeps points from all going to one prototype (mean entropy maximisation, MSN). With `target`, shares wanted of
    each key, it is `sum_k t_k log(t_k / p_k)` (PMSN). Sources: Assran et al. 2022, "Masked Siamese Networks for
    Label-Efficient Learning"; Assran et al. 2023, "The Hidden Uniform Cluster Prior in Self-Supervised
    Learning".

    Args:
        temperature: Of the softmax.
        target: `(K,)`, above 0, summing to 1; None: all alike.
        **options: `geometry`, see `RowObjective`. Whether a key is a positive or a negative does not matter here.

    Raises:
        InputError: in a call, for a target of another length.

    Examples:
        >>> from counterpoint.points import unmatched
        >>> prototypes = unmatched(torch.eye(2))
        >>> loss = Balance(0.01)
        >>> round(loss(unmatched(torch.eye(2)), prototypes).item(), 4)  # one for each
        0.0
        >>> round(loss(unmatched(torch.tensor([[1.0, 0.0]])), prototypes).item(), 4)  # log(2)
        0.6931
    """

    def __init__(
        self, temperature: float | Temperature = 0.1, *, target: Float[Tensor, " k"] | None = None, **options: Any
    ) -> None:
        super().__init__(temperature, **options)
        self.target = target

    def together(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """One number, the same for each row."""
        seen = (block.positive + block.negative) > 0
        counts = seen.any(1)
        nothing = torch.finfo(block.scores.dtype).min / 4
        share = torch.softmax(torch.where(seen, block.scores, nothing), 1)
        weight = (counts * block.columns.get("weight", torch.ones_like(counts))).to(share.dtype)
        if not bool((weight > 0).any()):
            return block.scores.sum(1) * 0, counts
        mean = weighted_mean(share.T, weight[None]).clamp_min(torch.finfo(share.dtype).tiny)
        if self.target is None:
            value = (mean * (mean * seen.any(0).sum()).log()).sum()
        elif self.target.shape != mean.shape:
            raise InputError(f"{len(self.target)} shares for {len(mean)} keys", fix="give one each")
        else:
            target = self.target.to(mean)
            value = (target * (target.log() - mean.log())).sum()
        return value.expand(len(counts)), counts
