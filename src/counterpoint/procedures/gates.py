"""Gates for pairs of classes: any two classes are alike in some dimensions, which are learned."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure
from counterpoint.relation import Relation, equal


class PairGates(Procedure):
    """Each query gets a class at random, all of whose keys are its positives, and a gate for the pair of classes.

    The class is that of another query of the batch. The gate `g(a, b) = sigmoid(f((e_a + e_b) / 2))`, in [0, 1] for
    each dimension and the same for (b, a), comes from one network `f` of one hidden layer over learned embeddings `e`
    of the classes. It stands beside the query's vector, `(n, 2, d)`, for the geometry `Gated`. `PairGates.relation`
    says that keys of the drawn class are positive, other keys of the query's own class are neither, and those of all
    other classes are negatives. Source: Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning", section 3,
    and the authors' code (SimLAP), where `f` has BatchNorm and ReLU before its first layer, too.

    Args:
        classes: Labels are 0 to `classes - 1`; more than there are do no harm.
        dim: Of the vectors.
        width: Of a class's embedding; the hidden layer has twice as many. Theirs: 512.
        learned: False: all gates are 1.

    Raises:
        InputError: in a call, for points without labels, or sides of different length.

    Examples:
        >>> points = Points(torch.eye(3), label=torch.arange(3), sample=torch.arange(3))
        >>> (call,) = PairGates(3, 3, learned=False)([{"queries": points, "keys": points}], lambda model: {})
        >>> tuple(call["queries"].z.shape), call["queries"].z[:, 1].unique().tolist()
        ((3, 2, 3), [1.0])
        >>> gates = PairGates(3, 3).eval()
        >>> first, second = torch.tensor([0]), torch.tensor([2])
        >>> torch.equal(gates.gate(first, second), gates.gate(second, first))
        True
    """

    relation = Relation(equal("other", "label"), ignored=equal("label", "label") & ~equal("other", "label"))

    def __init__(self, classes: int, dim: int, *, width: int = 64, learned: bool = True) -> None:
        super().__init__()
        self.learned = learned
        self.embedding = nn.Embedding(classes, width)
        hidden = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.BatchNorm1d(2 * width))
        self.network = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(width), *hidden, nn.Linear(2 * width, dim))
        self.dim = dim
        self.requires_grad_(learned)

    def gate(self, first: Int[Tensor, " n"], second: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """Of pairs of classes, in either order."""
        if not self.learned:
            return torch.ones(len(first), self.dim, device=first.device)
        mean = (self.embedding(first) + self.embedding(second)) / 2
        return torch.sigmoid(self.network(mean))

    def change(self, call: Call) -> Call:
        """The call with pairs of its own."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        if len(queries) != len(keys) or "label" not in queries.columns.keys() & keys.columns.keys():
            raise InputError(
                "pairs of classes need as many queries as keys, with labels", fix="use two views of images"
            )
        other = queries.columns["label"][torch.randperm(len(queries)).to(queries.z.device)]
        gate = self.gate(queries.columns["label"], other)
        paired = Points(torch.stack([queries.z, gate.to(queries.z)], 1), queries.columns).with_columns(other=other)
        beside = torch.stack([keys.z, torch.ones_like(keys.z)], 1)
        return {**call, "queries": paired, "keys": keys.with_z(beside)}
