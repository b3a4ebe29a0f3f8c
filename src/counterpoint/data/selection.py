"""Which part of a data set to train on."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError


def greedy_cut(similarity_nn: Float[Tensor, "n n"], size: int) -> Int[Tensor, " k"]:
    """The points that are most similar to those left out, one after another: greedy for a cut of great weight.

    `f(S) = sum_{i not in S} sum_{j in S} s_ij` is submodular and not monotone: a point that is like the chosen ones
    adds little. Each step takes the greatest gain, `f(S + e) - f(S) = sum_{i != e} s_ie - 2 sum_{j in S} s_je`.

    Args:
        similarity_nn: Symmetric, 0 or more; the diagonal does not count.
        size: How many, from 0 to n.

    Returns:
        Places of the chosen, in order.

    Raises:
        InputError: for another shape, a negative similarity, or a size out of its range.

    Examples:
        >>> near = torch.tensor([[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
        >>> greedy_cut(near, 2)  # after 1, whose links weigh 5, a second one loses 2 or 1
        tensor([1, 2])
    """
    n = len(similarity_nn)
    if similarity_nn.shape != (n, n) or not 0 <= size <= n or bool((similarity_nn < 0).any()):
        raise InputError(
            f"{size} points by similarities of shape {tuple(similarity_nn.shape)}",
            fix="give a square matrix of numbers of 0 or more, and a size of at most its side",
        )
    link = similarity_nn - torch.diag(similarity_nn.diagonal())
    gain, chosen = link.sum(1), list[int]()
    for _ in range(size):
        best = int(gain.argmax())
        chosen.append(best)
        gain = gain - 2 * link[best]
        gain[best] = -torch.inf
    return torch.tensor(chosen, dtype=torch.long)
