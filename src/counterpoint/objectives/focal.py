"""Supervised contrast that looks at the pairs that are not learned yet."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives.softmax import SupCon


class FocalSupCon(SupCon):
    """SupCon whose positives count less the better they are known: `-1/|P| sum_p (1 - p_ip)^g log p_ip`.

    `p_ip` is the softmax over all keys of the row, as in `SupCon`; the gradient flows through the weight, too. With `g`
    0 it is SupCon. Source: Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via
    Contrast-Regularized Fine-Tuning", section 4.1 (`g = 1`).

    Args:
        temperature: A number or a learned `Temperature`; 0.07 is theirs.
        focus: `g`, 0 or more.
        **options: `layout`, `geometry`, `relation`, see `SupCon`.

    Raises:
        InputError: for a focus below 0.

    Examples:
        >>> import torch
        >>> from counterpoint.points import Points
        >>> points = Points(torch.eye(3), label=torch.tensor([0, 0, 1]))
        >>> round(FocalSupCon(1.0)(points).item(), 4)  # log(2) / 2
        0.3466
    """

    def __init__(self, temperature: float | Temperature = 0.07, *, focus: float = 1.0, **options: Any) -> None:
        super().__init__(temperature, **options)
        if focus < 0:
            raise InputError(f"the focus is {focus}, it must be 0 or more", fix="1 is theirs")
        self.focus = focus

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Each positive's logarithm times what it lacks."""
        log_probability, weight = block.log_softmax()
        known = log_probability.clamp_max(0).exp()
        return -weighted_mean((1 - known) ** self.focus * log_probability, weight), (weight > 0).any(1)
