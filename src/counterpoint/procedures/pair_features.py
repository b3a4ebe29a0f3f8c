"""A point for each pair: what a classifier of pairs sees of two vectors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure, are_own
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
