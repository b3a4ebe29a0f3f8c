"""A point for each pair: what a classifier of pairs sees of two vectors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure, are_own, numbered
from counterpoint.procedures.composing import without_copies


class PairFeatures(Procedure):
    """Each anchor `u` and its positive `v` become one point, `network([u; v; |u - v|; u * v])`.

    With as many outputs as there are classes of pairs, `Logits` of them is the cross-entropy of the `label` of each
    pair. Points have the columns of the anchors but for those that tell copies, which say nothing of pairs. Sources:
    Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations from Natural Language Inference
    Data" (InferSent); without the product Reimers and Gurevych 2019, "Sentence-BERT".

    Args:
        network: From `(n, 4 d)`, or `(n, 3 d)` without the product, to the points, such as `(n, classes)`.
        product: Whether `u * v` is among the features.

    Raises:
        InputError: in a call, where anchors do not have one key each, their own.

    Examples:
        >>> u, v = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 1.0]])
        >>> (call,) = PairFeatures(nn.Identity())([{"queries": u, "keys": v}], lambda model: {})
        >>> call["queries"].z.tolist()
        [[1.0, 2.0, 3.0, 1.0, 2.0, 1.0, 3.0, 2.0]]
    """

    def __init__(self, network: nn.Module, *, product: bool = True) -> None:
        super().__init__()
        self.network, self.product = network, product

    def change(self, call: Call) -> Call:
        """One side, a point for each pair."""
        first, second = as_points(call["queries"]), call.get("keys")
        second = None if second is None else as_points(second)
        if second is None or not are_own(first, second):
            raise InputError("features of pairs need one positive for each anchor, and nothing else", fix="give pairs")
        u, v = first.z, second.z
        features: Float[Tensor, "n f"] = torch.cat([u, v, (u - v).abs(), *([u * v] if self.product else [])], 1)
        return {"queries": Points(self.network(features), without_copies(first.columns))}


class EveryPair(Procedure):
    """Every anchor `u` with every key `v` becomes a point, `network([u; v; u - v; u * v])`.

    Column `apart`: 0 where the key is the anchor's own, 1 where it is not; so that with one output the logistic loss is
    `Logits(1, Pairs(...), column="apart")`. Copies of an anchor's own key are no pairs. Source: Huang et al. 2021,
    "CoSQA: 20,000+ Web Queries for Code Search and Question Answering", and the authors' code.

    Args:
        network: From `(pairs, 4 d)` to the points, such as `(pairs, 1)`.
        in_batch: Also with the keys of the batch's other rows, and not only with those that its own row brought.

    Raises:
        InputError: in a call without keys.

    Examples:
        >>> points = Points(torch.tensor([[1.0], [2.0]]), sample=torch.arange(2))
        >>> (call,) = EveryPair(nn.Identity())([{"queries": points, "keys": points}], lambda model: {})
        >>> call["queries"].z[1].tolist(), call["queries"].columns["apart"].tolist()
        ([1.0, 2.0, -1.0, 2.0], [0, 1, 1, 0])
    """

    def __init__(self, network: nn.Module, *, in_batch: bool = True) -> None:
        super().__init__()
        self.network, self.in_batch = network, in_batch

    def scores(self, u: Float[Tensor, "n d"], v: Float[Tensor, "m d"]) -> Float[Tensor, "n m o"]:
        """What the network makes of every pair."""
        first, second = u[:, None].expand(-1, len(v), -1), v.expand(len(u), -1, -1)
        made: Tensor = self.network(torch.cat([first, second, first - second, first * second], 2))
        return made

    def change(self, call: Call) -> Call:
        """One side, a point for each pair."""
        if call.get("keys") is None:
            raise InputError("there are no keys to pair with", fix="give batches of two sides")
        queries, keys = numbered({**call, "queries": as_points(call["queries"]), "keys": as_points(call["keys"])})
        own = queries.columns["sample"][:, None] == keys.columns["sample"]
        seen = torch.ones_like(own)
        if "partner" in queries.columns and "input" in keys.columns:
            seen = own | (queries.columns["partner"][:, None] != keys.columns["input"])
        if not self.in_batch:
            brought = [side.columns.get("row", side.columns["sample"]) for side in (queries, keys)]
            seen = seen & (brought[0][:, None] == brought[1])
        return {"queries": Points(self.scores(queries.z, keys.z)[seen], apart=(~own).long()[seen])}
