"""Sequences whose own future is the positive."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.points import Points
from counterpoint.training.payload import Arguments, Payload


class SequenceBatches:
    """Sequences to train on: what a head predicts (`heads.Predictions`) are queries, what comes is their keys.

    Every other step of any sequence of the batch is a negative. Source: van den Oord et al. 2018, "Representation
    Learning with Contrastive Predictive Coding", section 2.3.

    Args:
        sequences: All of one length.

    Examples:
        >>> batches = SequenceBatches(torch.zeros(7, 5, 3))
        >>> len(batches), tuple(batches.payload(torch.tensor([2, 4])).inputs.shape)
        (7, (2, 5, 3))
    """

    def __init__(self, sequences: Float[Tensor, "n t c"]) -> None:
        self._sequences = sequences

    def __len__(self) -> int:
        return len(self._sequences)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """These sequences."""
        inputs, steps = self._sequences[rows], self._sequences.shape[1]
        # sequences are numbered over all that are encoded anywhere, so that no two processes' numbers are the same
        number = torch.arange(len(rows)) if among is None else (rows[:, None] == among).int().argmax(1)
        cost = torch.full((len(rows),), steps)
        return Payload(inputs, cost, lambda x, chunk: x[chunk], lambda states: futures(states, number))


def futures(states: Float[Tensor, "n t k w"], number: Int[Tensor, " n"]) -> Arguments:
    """Predictions as queries and all steps as keys; predictions beyond the end have no positive and are left out.

    Args:
        states: At each step `z_t`, then its predictions of `z_{t+1}`, `z_{t+2}`, ...
        number: Of each sequence, all different.

    Examples:
        >>> seen = futures(torch.zeros(1, 4, 3, 2), torch.tensor([0]))  # one sequence of 4, 2 steps ahead
        >>> seen["queries"].columns["sample"].tolist(), len(seen["keys"])
        ([1, 2, 3, 2, 3], 4)
    """
    steps, ways = states.shape[1:3]
    place = (steps * number[:, None] + torch.arange(steps)).to(states.device)
    ahead = range(1, min(ways, steps))
    queries = torch.cat([states[:, : steps - k, k].flatten(0, 1) for k in ahead])
    sample = torch.cat([place[:, k:].flatten() for k in ahead])
    keys = Points(states[:, :, 0].flatten(0, 1), sample=place.flatten())
    return {"queries": Points(queries, sample=sample), "keys": keys}
