"""What siamese training, queues and clusters move inside, and a bed with less or more to spend."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.inputs import take
from counterpoint.objectives import SwAV
from counterpoint.points import Points
from counterpoint.procedures import Call
from counterpoint.testbeds.bed import Figure, Made, Testbed
from counterpoint.testbeds.figures import projection
from counterpoint.views.standard import picture_view

_MOST, _HARDEST = 512, 10


def budget(bed: Testbed, times: float) -> Testbed:
    """A testbed with so many times its epochs: with half as many for two views, four have on the whole one as many.

    Examples:
        >>> from counterpoint.testbeds import DIGITS
        >>> budget(DIGITS, 0.5).name, budget(DIGITS, 0.5).epochs
        ('digits, 0.5 times the epochs', 15.0)
    """
    return replace(bed, name=f"{bed.name}, {times:g} times the epochs", epochs=times * bed.epochs)


@torch.no_grad()
def seen(made: Made) -> list[Call]:
    """What a loss would be called with on two views each of some test pictures, drawn by the seed: after its procedure.

    What the procedure holds is as training left it: the teacher, the queue.
    """
    test = made.test
    rows = torch.linspace(0, len(test) - 1, min(_MOST, len(test))).long()
    assert isinstance(made.encoder, PixelEncoder)
    plain = take(made.encoder.inputs(test.anchors), test.anchor[rows])
    assert isinstance(plain, Tensor)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(made.seed)
        view = picture_view()
        pixels = torch.cat([view(plain), view(plain)])

        def by(network: nn.Module) -> Call:
            sides = network(pixels).chunk(2)
            return {side: Points(z, sample=rows) for side, z in zip(("queries", "keys"), sides, strict=True)}

        calls = [by(nn.Sequential(made.encoder, made.head))]
        # a copy: it would remember these keys
        return calls if made.procedure is None else copy.deepcopy(made.procedure)(calls, by)


def added_score(call: Call) -> float:
    """Mean cosine of a query and the negatives of its own, which a procedure added; 0 if it added none.

    Examples:
        >>> owned = Points(torch.tensor([[[9.0, 0.0], [2.0, 0.0], [0.0, 2.0]]]), positive=torch.tensor([[1.0, 0, 0]]))
        >>> added_score({"queries": Points(torch.eye(1, 2)), "owned": owned})
        0.5
    """
    owned = call["owned"]
    cosine = torch.einsum("nd,nsd->ns", F.normalize(call["queries"].z, dim=1), F.normalize(owned.z, dim=2))
    negative = owned.columns["positive"] == 0
    return float(cosine[negative].mean()) if negative.any() else 0.0


def hardest_score(call: Call) -> float:
    """Mean cosine of a query and the nearest quarter of the shared keys.

    Examples:
        >>> call = {"queries": Points(torch.eye(1, 2)), "keys": Points(torch.eye(2).repeat(2, 1))}
        >>> hardest_score(call)
        1.0
    """
    cosine = F.normalize(call["queries"].z, dim=1) @ F.normalize(call["keys"].z, dim=1).T
    return float(cosine.topk(max(1, cosine.shape[1] // 4), 1).values.mean())


def ordered(call: Call) -> float:
    """Share of pairs of a query's positive and one of its ten hardest negatives of the same view, in the right order.

    Examples:
        >>> call = {"queries": Points(torch.eye(2)), "keys": Points(torch.tensor([[1.0, 0.1], [-1.0, -1.0]]))}
        >>> ordered(call)  # the second's key is further than the first query
        0.5
    """
    q, k = (F.normalize(call[side].z, dim=1) for side in ("queries", "keys"))
    others = (q @ q.T).fill_diagonal_(-math.inf).topk(min(_HARDEST, len(q) - 1), 1).values
    return float(((q * k).sum(1, keepdim=True) > others).float().mean())


def clusters_used(z: Float[Tensor, "n d"], prototypes: Float[Tensor, "k d"]) -> float:
    """How many clusters the nearest prototypes make, `exp` of the entropy of their sizes, as a share of all.

    Examples:
        >>> clusters_used(torch.eye(4), torch.eye(4)), clusters_used(torch.ones(4, 4), torch.eye(4))
        (1.0, 0.25)
    """
    nearest = (F.normalize(z, dim=1) @ F.normalize(prototypes, dim=1).T).argmax(1)
    share = torch.bincount(nearest, minlength=len(prototypes)) / len(z)
    return round(float(torch.special.entr(share).sum().exp()) / len(prototypes), 6)


def _of_first(measure: Callable[[Call], float]) -> Callable[[Made], float]:
    def figure(made: Made) -> float:
        return measure(seen(made)[0])

    return figure


def _clusters(made: Made) -> float:
    assert isinstance(made.objective, SwAV)
    return clusters_used(torch.from_numpy(projection(made, made.test)), made.objective.prototypes.detach())


added = Figure("mean cosine of a query and the negatives added to it", _of_first(added_score))
hardest_negatives = Figure("mean cosine of a query and the nearest quarter of the queue", _of_first(hardest_score))
order = Figure("share of positives and hardest negatives in order", _of_first(ordered))
clusters = Figure("share of the clusters in use", _clusters)
"""Of test pictures, by the nearest prototype: 1 if all are of one size, 1 / k if one holds all."""
