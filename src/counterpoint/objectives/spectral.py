"""The spectral contrastive loss: scores are linear for positives and squared for negatives."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from counterpoint.engine.blocks import Block, weighted_mean
from counterpoint.geometry import Dot
from counterpoint.objectives._base import RowObjective
from counterpoint.objectives._layouts import Layout


class Spectral(RowObjective):
    """Spectral contrastive loss, `-2 mean_p s_ip + mean_n s_in^2`, with inner products as scores.

    In expectation it is the error of factoring the graph of positive pairs, `|A - F F^T|^2`, up to a constant: its
    minimisers are the top eigenvectors of the normalised adjacency `A`. Source: HaoChen et al. 2021, "Provable
    Guarantees for Self-Supervised Deep Learning with Spectral Contrastive Loss", eq. 6 and lemma 3.2. As in their code
    a batch's own positives are no negatives; with `Relation(negative=~never)` they are, which is the expectation over
    independent pairs. Their code also cuts vectors to a ball, which this does not.

    Args:
        layout: Which keys a query sees.
        **options: `geometry` (`Dot` by default), `relation`, see `RowObjective`.

    Examples:
        >>> import torch
        >>> q = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> Spectral()(q, q).item()  # rows -2 * 1 + 1, -2 * 2 + 1
        -2.0
    """

    def __init__(self, *, layout: Layout = "one-way", **options: Any) -> None:
        options.setdefault("geometry", Dot())
        super().__init__(1.0, layout=layout, **options)

    def rows(self, block: Block) -> tuple[Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Positives attract by their score, negatives repel by its square."""
        negative = block.negative
        scores, positive = block.positives()
        loss = weighted_mean(block.scores.square(), negative) - 2 * weighted_mean(scores, positive)
        return loss, (positive > 0).any(1) & (negative > 0).any(1)
