"""Weights of negatives by how hard they are: how similar to the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.engine.blocks import Block, log_weight
from counterpoint.errors import InputError

Reweight: TypeAlias = Callable[[Block], Float[Tensor, "b m"]]
"""From a block to `log w_ij`, which is added to the scores of its negatives."""


def hardness(alpha: float) -> Reweight:
    """`w_ij = exp(alpha * s_ij)` for the similarity `s_ij` before the temperature, without gradient.

    Source: Lan et al. 2025, "LLaVE: Large Language and Vision Embedding Models with Hardness-Weighted Contrastive
    Learning", section 3.2, where the model itself, without gradient, is the reward model.

    Args:
        alpha: 0 or more; 0 weighs all alike.

    Raises:
        InputError: for an alpha below 0.

    Examples:
        >>> block = Block(torch.tensor([[2.0, 1.0]]), (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])), scale=2)
        >>> hardness(3.0)(block)
        tensor([[3.0000, 1.5000]])
    """
    if alpha < 0:
        raise InputError(f"alpha is {alpha}, it must be 0 or more", fix="9 is LLaVE's")
    return lambda block: block.scores.detach() * (alpha / block.scale)


def averaged() -> Reweight:
    """`w_ij = 1 / |N_i|`: the negatives' mean stands where their sum was, so that their number matters less.

    InfoNCE becomes `-log exp(s_ip) / (exp(s_ip) + E_N exp(s_in))`. Source: Livne 2025, "cMIM: A Contrastive Mutual
    Information Framework for Unified Generative and Discriminative Representation Learning", the probability of the
    positive, whose denominator has an expectation over negatives.

    Examples:
        >>> weights = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
        >>> averaged()(Block(torch.zeros(1, 3), weights)).exp()
        tensor([[0.5000, 0.5000, 0.5000]])
    """
    return lambda block: -log_weight(block.negative.sum(1, keepdim=True)).expand_as(block.scores)


def hardest(top: int | float) -> Reweight:
    """Keep only each row's most similar negatives; equal scores stand or fall together.

    Sources: Wang and Liu 2021, "Understanding the Behaviour of Contrastive Loss", eq. 8 (the hard contrastive loss, a
    share); a number of them as in Hoang et al. 2025's filtering of MoCo's queue.

    Args:
        top: How many (an int, 1 or more), or which share of a row's negatives (a float from above 0 to 1).

    Raises:
        InputError: for a number out of its range.

    Examples:
        >>> weights = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]])
        >>> hardest(1)(Block(torch.tensor([[3.0, 1.0, 2.0]]), weights)) < 0
        tensor([[False,  True, False]])
    """
    if top <= 0 or (isinstance(top, float) and top > 1):
        raise InputError(f"the hardest {top} negatives", fix="give a whole number of 1 or more, or a share up to 1.0")

    def reweight(block: Block) -> Float[Tensor, "b m"]:
        scores, negative = block.scores.detach(), block.negative > 0
        nothing = torch.finfo(scores.dtype).min / 4
        number = negative.sum(1)
        keep = (number * top).ceil() if isinstance(top, float) else number.clamp_max(top)
        most = max(1, min(scores.shape[1], int(keep.max()) if len(keep) else 1))
        best = torch.where(negative, scores, nothing).topk(most, 1).values
        least = best.gather(1, (keep.long() - 1).clamp_min(0)[:, None])
        return torch.zeros_like(scores).masked_fill(scores < least, nothing)

    return reweight
