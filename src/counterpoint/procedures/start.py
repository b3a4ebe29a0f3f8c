"""The encoder as it was before training: its vectors as keys, and how far the weights have gone from it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Again, Call, Procedure


class AgainstStart(Procedure):
    """Keys are what a frozen copy of the encoder, made at the start, says of the batch: one vector each, or several.

    Several vectors of a point are as many keys of its `sample`. With `InfoNCE` each is a positive by itself, and no
    negative of the others: the loss of Kim et al. 2021, "Self-Guided Contrastive Learning for BERT Sentence
    Representations" (SG-OPT), and of the authors' code, whose copy says what is pooled of each of its layers
    (`counterpoint.encoders.layers.PooledLayers`). The copy is in the mode of the encoder: it has dropout in training.

    Args:
        said: From the copy to what says `(n, d)` or `(n, k, d)` of inputs; None: the copy itself.
        then: Of queries and keys, in training only; it sees the whole batch.
        drawn: One of a point's vectors, drawn in each step, in place of all.

    Raises:
        InputError: in a call, of two sides, or before `start`.

    Examples:
        >>> guide = AgainstStart()
        >>> guide.start(nn.Sequential(nn.Linear(2, 2), nn.Identity()))
        >>> say = lambda model: {"queries": Points(torch.ones(2, 3, 2))}
        >>> (call,) = guide([{"queries": Points(torch.eye(2), sample=torch.tensor([5, 8]))}], say)
        >>> call["keys"].columns["sample"].tolist()
        [5, 5, 5, 8, 8, 8]
    """

    def __init__(
        self,
        said: Callable[[nn.Module], nn.Module] | None = None,
        then: nn.Module | None = None,
        *,
        drawn: bool = False,
    ) -> None:
        super().__init__()
        self.said, self.then, self.drawn = said, then, drawn
        self.copy: nn.Module | None = None

    def start(self, model: nn.Module) -> None:
        """The encoder is copied, without the head."""
        encoder = copy.deepcopy(next(model.children())).requires_grad_(requires_grad=False)
        self.copy = nn.Sequential(encoder if self.said is None else self.said(encoder), nn.Identity())

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """The batch against what the copy says of it."""
        (call,) = calls
        if call.get("keys") is not None or call.get("owned") is not None:
            raise InputError("a copy of the encoder gives the keys, and there are some", fix="give items in one view")
        if self.copy is None:
            raise InputError("there is no copy of the encoder yet", fix="call start")
        queries, said = as_points(call["queries"]), as_points(again(self.copy)["queries"])
        z: Float[Tensor, "n k d"] = said.z if said.z.ndim == 3 else said.z[:, None]
        if self.drawn:
            # drawn on the processor, so that it is the same on every device
            which = torch.randint(z.shape[1], (len(z),)).to(z.device)
            z = z[torch.arange(len(z), device=z.device), which][:, None]
        of = torch.arange(len(queries), device=z.device).repeat_interleave(z.shape[1])
        keys = Points(z.flatten(0, 1), queries[of].columns)
        if self.then is not None:
            queries, keys = (points.with_z(self.then(points.z)) for points in (queries, keys))
        return [{"queries": queries, "keys": keys}]


class DistanceFromStart(Procedure):
    """Points get one more dimension, the last: `|theta - theta_0|` in the queries, of the encoder's weights, 0 in keys.

    `Part(objective, 0, -1) + weight * Part(Lengths(), -1)` is then `objective + weight * |theta - theta_0|^2`: L2-SP,
    the decay towards the start of Li et al. 2018, "Explicit Inductive Bias for Transfer Learning with Convolutional
    Networks", which SG-OPT (Kim et al. 2021) adds to its loss. Weights that do not learn are left out.

    Raises:
        InputError: in a call, of one side, or before `start`.

    Examples:
        >>> weights = nn.Linear(2, 2, bias=False)
        >>> distance = DistanceFromStart()
        >>> distance.start(nn.Sequential(weights, nn.Identity()))
        >>> _ = weights.weight.data.add_(1.0)  # four numbers, each by one
        >>> (call,) = distance([{"queries": torch.zeros(1, 2), "keys": torch.zeros(1, 2)}], lambda model: {})
        >>> call["queries"].z.tolist(), call["keys"].z.tolist()
        ([[0.0, 0.0, 2.0]], [[0.0, 0.0, 0.0]])
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ParameterList()
        # a list, so that the encoder is no part of this module
        self._encoder: list[nn.Module] = []

    def start(self, model: nn.Module) -> None:
        """The weights are remembered as they are."""
        self._encoder = [next(model.children())]
        self.first = nn.ParameterList(nn.Parameter(p.detach().clone(), requires_grad=False) for p in self._learned())

    def change(self, call: Call) -> Call:
        """The call with the distance."""
        if not self._encoder or call.get("keys") is None:
            raise InputError("a distance from the start needs a start, and keys", fix="call start, and give keys")
        moved = [(p - first).flatten() for p, first in zip(self._learned(), self.first, strict=True)]
        distance = torch.linalg.vector_norm(torch.cat(moved))
        sides = {"queries": distance, "keys": torch.zeros_like(distance)}
        return {**call, **{side: _with(as_points(call[side]), last) for side, last in sides.items()}}

    def _learned(self) -> list[nn.Parameter]:
        return [p for p in self._encoder[0].parameters() if p.requires_grad]


def _with(points: Points, last: Tensor) -> Points:
    return points.with_z(torch.cat([points.z, last.to(points.z).expand(len(points), 1)], 1))
