"""Gates for pairs of classes: any two classes are alike in some dimensions, which are learned."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure
from counterpoint.relation import Relation, equal, same


class PairGates(Procedure):
    """Each query gets a random key for its positive, and a learned gate for the pair of their classes.

    The gate `g(a, b) = sigmoid(w_ab)`, in [0, 1] for each dimension and the same for (b, a), is beside the query's
    vector, `(n, 2, d)`, for the geometry `Gated`. `PairGates.relation` says that the drawn key is positive, other keys
    of the two classes are neither, and those of all other classes are negatives. Source: Wu et al. 2024, "Rethinking
    Positive Pairs in Contrastive Learning", section 3.

    Args:
        classes: Labels are 0 to `classes - 1`.
        dim: Of the vectors.

    Raises:
        InputError: in a call, for points without labels, or sides of different length.

    Examples:
        >>> points = Points(torch.eye(3), label=torch.arange(3), sample=torch.arange(3))
        >>> gates = PairGates(3, 3)
        >>> (call,) = gates([{"queries": points, "keys": points}], lambda model: {})
        >>> tuple(call["queries"].z.shape), torch.equal(gates.gate(torch.tensor(0), torch.tensor(2)), torch.ones(3) / 2)
        ((3, 2, 3), True)
    """

    relation = Relation(ignored=(equal("label", "label") | equal("other", "label")) & ~same("sample"))

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, classes, dim))

    def gate(self, first: Int[Tensor, "*n"], second: Int[Tensor, "*n"]) -> Float[Tensor, "*n d"]:
        """Of pairs of classes, in either order."""
        return torch.sigmoid(self.weight[torch.minimum(first, second), torch.maximum(first, second)])

    def change(self, call: Call) -> Call:
        """The call with pairs of its own."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        if len(queries) != len(keys) or not {"label", "sample"} <= queries.columns.keys() & keys.columns.keys():
            raise InputError(
                "pairs of classes need as many queries as keys, with labels", fix="use two views of images"
            )
        drawn = torch.randperm(len(keys)).to(keys.z.device)
        other = keys.columns["label"][drawn]
        gate = self.gate(queries.columns["label"], other)
        paired = Points(torch.stack([queries.z, gate.to(queries.z)], 1), queries.columns).with_columns(
            other=other, sample=keys.columns["sample"][drawn]
        )
        beside = torch.stack([keys.z, torch.ones_like(keys.z)], 1)
        return {**call, "queries": paired, "keys": keys.with_z(beside)}
