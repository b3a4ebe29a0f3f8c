"""Sets of items, each pooled to one vector: what its items share attracts, what any of them says repels."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives._base import PointObjective
from counterpoint.objectives.autoencoding import gaussian_parts
from counterpoint.points import Points


class SetContrast(PointObjective):
    r"""Sets of documents: with `s` the pooled topics of a set, `s^+` and `s^-` those of its changed versions,

        -log exp(cos(s_min, s_min^+)) / (exp(cos(s_min, s_min^+)) + b exp(cos(s_max, s_max^-))),

    the mean over sets. Minimum and maximum are taken topic by topic: what all documents of the set speak of, and what
    any of them does. Topics are `softmax(z)` of the sample of each point (`counterpoint.heads.Gaussian`). Points have a
    column `set` (`counterpoint.procedures.InSets`); keys whose `sample` is -1 are the versions that repel, all others
    those that attract. Sets that lack one of both do not count. Source: Nguyen et al. 2024, "Topic Modeling as
    Multi-Objective Contrastive Optimization", as a published review of it reads their algorithm 1, with cosines for
    the similarity.

    Args:
        weight: `b`, of what repels, above 0.

    Raises:
        InputError: for a weight that is not above 0; in a call, for other points, one side, or no column `set`.

    Examples:
        >>> z = torch.zeros(2, 3, 2)
        >>> mine = Points(z, set=torch.tensor([0, 0]), sample=torch.tensor([0, 1]))
        >>> changed = Points(torch.cat([z, z]), set=torch.zeros(4).long(), sample=torch.tensor([0, 1, -1, -1]))
        >>> round(SetContrast()(mine, changed).item(), 4)  # log(2): all are alike
        0.6931
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(geometry=Dot())
        if not 0 < weight < math.inf:
            raise InputError(f"what repels weighs {weight}", fix="give a number above 0")
        self.weight = weight

    def whole(self, queries: Points, keys: Points, i: Int[Tensor, " p"], j: Int[Tensor, " p"]) -> Float[Tensor, ""]:
        """Mean over the sets."""
        del i, j
        if keys is queries or "set" not in queries.columns or "set" not in keys.columns:
            raise InputError("there are no sets, or no changed versions of them", fix="put InSets before, on two sides")
        near = keys.columns["sample"] >= 0
        sides = (queries, keys[near], keys[~near])
        names = [side.columns["set"].unique() for side in sides]
        whole = names[0][torch.isin(names[0], names[1]) & torch.isin(names[0], names[2])]
        topics = [gaussian_parts(side)[0].softmax(1) for side in sides]
        if not len(whole):
            return torch.stack([t.sum() for t in topics]).sum() * 0
        low, high, alike, unlike = (
            _pooled(topics[side], sides[side].columns["set"], whole, how)
            for side, how in ((0, "amin"), (0, "amax"), (1, "amin"), (2, "amax"))
        )
        apart = F.cosine_similarity(high, unlike) - F.cosine_similarity(low, alike)
        return F.softplus(math.log(self.weight) + apart).mean()


def _pooled(topics: Float[Tensor, "n d"], of: Tensor, sets: Int[Tensor, " s"], how: str) -> Float[Tensor, "s d"]:
    """The least or the most of each topic in each of the sets, which are in order."""
    there = torch.isin(of, sets)
    place = torch.searchsorted(sets, of[there])[:, None].expand(-1, topics.shape[1])
    out = topics.new_zeros(len(sets), topics.shape[1])
    return out.scatter_reduce(0, place, topics[there], how, include_self=False)
