"""Which part of a data set to train on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


def expected_similarity(views_vnd: Float[Tensor, "v n d"]) -> Float[Tensor, "n n"]:
    """Mean cosine of a view of one item and a view of another, over all pairs of drawn views; below 0 counts as 0.

    Source: Joshi and Mirzasoleiman 2023, "Data-Efficient Contrastive Self-supervised Learning", section 4: the
    expected similarity of augmentations, by a proxy model.

    Examples:
        >>> views = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [0.0, 1.0]]])
        >>> expected_similarity(views)[0, 1].item()  # cosines 0, 0, 1, 1
        0.5
    """
    # the mean of products of independent draws is the product of their means
    mean = F.normalize(views_vnd, dim=2).mean(0)
    return (mean @ mean.T).clamp_min(0)


def most_similar(similarity_nn: Float[Tensor, "n n"], size: int) -> Int[Tensor, " k"]:
    """The points of the greatest total similarity, whether or not they are like each other.

    It is what the released code of Joshi and Mirzasoleiman 2023 chooses (`SubsetSelectionObjective` of their package
    `sas`): its greedy subtracts similarities to the chosen that it has set to 0 before, and so subtracts nothing.

    Examples:
        >>> near = torch.tensor([[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
        >>> most_similar(near, 2)  # totals 4, 5, 3
        tensor([1, 0])
    """
    return similarity_nn.sum(1).argsort(descending=True, stable=True)[:size]
