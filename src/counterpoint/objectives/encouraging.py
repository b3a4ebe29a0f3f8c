"""Encouraging loss: well classified examples keep their gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout
from counterpoint.objectives.softmax import softmax_rows


class Encouraging(RowObjective):
    """InfoNCE with a bonus for the probability that is won already, `-log p_i + log(1 - p_i)`.

    The gradient of `-log p` vanishes where `p` is near 1; with the bonus it does not. Above `log_end` the bonus goes on
    as its own tangent, `log(1 - e) - (p - e) / (1 - e)`, which bounds it. With class logits as scores it is the paper's
    loss for classifiers. Source: Zhao et al. 2022, "Well-classified Examples are Underestimated in Classification with
    Deep Neural Networks", eq. 6 and 8, and the authors' code.

    Args:
        temperature: A number or a learned `Temperature`.
        log_end: `e`, from above 0 to below 1; 1: the bonus as it is, down to `log 1e-5`.
        layout: Which keys a query sees.
        **options: `geometry`, `relation`, see `RowObjective`.

    Raises:
        InputError: for a `log_end` out of its range.

    Examples:
        >>> q = torch.eye(2)
        >>> loss = Encouraging(1.0, log_end=1.0)
        >>> round(loss(q, q).item(), 4)  # -log(p / (1 - p)) is the margin of the logits
        -1.0
    """

    def __init__(
        self,
        temperature: float | Temperature = 1.0,
        *,
        log_end: float = 0.75,
        layout: Layout = "one-way",
        **options: Any,
    ) -> None:
        super().__init__(temperature, layout=layout, **options)
        if not 0 < log_end <= 1:
            raise InputError(f"log_end is {log_end}", fix="give a probability from above 0 to 1")
        self.log_end = log_end

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Cross-entropy plus bonus."""
        loss, counts = softmax_rows(block, "each", "outside")
        p = (-loss).exp()
        if self.log_end == 1:
            return loss + (1 - p).clamp_min(1e-5).log(), counts
        e = self.log_end
        tangent = math.log(1 - e) - (p - e) / (1 - e)
        return loss + torch.where(p > e, tangent, (1 - p.clamp_max(e)).log()), counts
