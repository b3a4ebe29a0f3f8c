"""Lists that a network on both vectors of a pair scores: what stands for a model that reads two texts together."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class EmulatedLists(Procedure):
    """Every pair of a query and a key of its list, or an answer of another query of the batch, by a network.

    After `Lists`. A query is `[1, 0, ..., 0]`, and its owned keys are `[s, x]`, with the features `x` that the network
    makes of `[q; k]` and the score `s` that its last layer makes of these, so that `Dot` compares them by `s`. The keys
    of its list come first, the last of them easy; then the positives of the batch, of which its own and copies of it
    are no keys (`valid`). Owned columns of 0 and 1 say which is which: `positive`, `hard`, `easy`, `batch`; rules such
    as `Relation(ignored=share("easy"))` read them. The guide says 0 of what is not on the list.

    Source: Liao et al. 2024, "D2LLM: Decomposed and Distilled Large Language Models for Semantic Search" (interaction
    emulation module), and the authors' code.

    Args:
        network: From `(..., 2 d)`; its last layer gives the score.
        easy: How many keys of a list are so.

    Raises:
        InputError: Fewer than no easy keys; in a call, no lists, or lists that are not longer than that.

    Examples:
        >>> keys = Points(torch.ones(3, 1), sample=torch.tensor([0, 1, -1]))
        >>> owned = Points(torch.ones(2, 2, 1), positive=torch.tensor([[1.0, 0.0]] * 2), valid=torch.ones(2, 2).bool())
        >>> asked = Points(torch.ones(2, 1), sample=torch.tensor([0, 1]))
        >>> from counterpoint.objectives import Guide
        >>> lists = {"queries": asked, "keys": keys, "owned": owned, "guide": Guide(owned=torch.ones(2, 2))}
        >>> (call,) = EmulatedLists(nn.Sequential(nn.ReLU(), nn.Linear(2, 1)), 1)([lists], lambda model: {})
        >>> call["owned"].z.shape, call["owned"].columns["valid"].int().tolist()
        (torch.Size([2, 4, 3]), [[1, 1, 0, 1], [1, 1, 1, 0]])
    """

    def __init__(self, network: nn.Sequential, easy: int) -> None:
        super().__init__()
        if easy < 0:
            raise InputError(f"{easy} easy keys", fix="give 0 or more")
        self.network, self.easy = network, easy

    def features(self, q: Float[Tensor, "... d"], k: Float[Tensor, "... d"]) -> Float[Tensor, "... h"]:
        """`[s, x]` of each pair.

        Args:
            q: One vector a pair.
            k: Likewise.
        """
        x: Tensor = self.network[:-1](torch.cat([q, k], -1))
        return torch.cat([self.network[-1](x), x], -1)

    def change(self, call: Call) -> Call:
        """The call with pairs for owned keys, and no others."""
        owned, guide = call.get("owned"), call.get("guide")
        if owned is None or guide is None or owned.z.shape[1] <= self.easy:
            raise InputError("there are no lists, or none with other than easy keys", fix="make them, by `Lists`")
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        answers = keys[keys.columns["sample"] >= 0]
        n, s, m = len(queries), owned.z.shape[1], len(answers)
        k = torch.cat([owned.z, answers.z.expand(n, -1, -1)], 1)
        z = self.features(queries.z[:, None].expand_as(k), k)
        other = queries.columns["sample"][:, None] != answers.columns["sample"]
        if "partner" in queries.columns and "input" in answers.columns:
            other = other & (queries.columns["partner"][:, None] != answers.columns["input"])
        place = torch.arange(s + m, device=k.device).expand(n, -1)
        positive = torch.cat([owned.columns["positive"], k.new_zeros(n, m)], 1)
        easy, batch = (place >= s - self.easy) & (place < s), place >= s
        columns = {
            "positive": positive,
            "valid": torch.cat([owned.columns["valid"], other], 1),
            "hard": (~easy & ~batch & (positive == 0)).to(z),
            "easy": easy.to(z),
            "batch": batch.to(z),
        }
        asked = queries.with_z(torch.zeros_like(z[:, 0]).index_fill(1, torch.tensor([0], device=z.device), 1.0))
        said = replace(guide, owned=torch.cat([guide.owned, k.new_zeros(n, m)], 1))
        return {"queries": asked, "keys": None, "owned": Points(z, columns), "guide": said}
