"""A guide beside the vectors: the encoder as it was before training says which negatives are probably none."""

from __future__ import annotations

import copy
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.geometry import normalize
from counterpoint.objectives._layouts import Guide
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Again, Call, Procedure, are_own, numbered


class Guided(Procedure):
    """Each pair against all keys, all anchors and all positives, with a guide's cosines of the same (GISTEmbed).

    The row of the pair `(q_i, k_i)` has the cosines of `q_i` with every key, of `q_i` with every query, and of `k_i`
    with every positive; only `q_i . k_i` is positive. Vectors are scaled to length one here and set side by side,
    `[q_i; k_i]` against `[k_j; 0]`, `[q_j; 0]` and `[0; k_j]`, so that an objective compares them by `Dot`: with
    `Mined(InfoNCE(t, geometry=Dot()), below_the_guide())` what the guide finds closer than the pair itself is left out.
    The guide is the encoder, with its head, as it was when training began, and without dropout. Source: Solatorio 2024,
    "GISTEmbed", section 3, where the guide is another model.

    Raises:
        InputError: in a call, where the first keys are not those of the queries, one by one.

    Examples:
        >>> guided, model = Guided(), nn.Sequential(nn.Identity(), nn.Identity())
        >>> guided.start(model)
        >>> batch = {"queries": torch.eye(2), "keys": torch.eye(2)}
        >>> (call,) = guided([batch], lambda guide: batch)
        >>> call["queries"].z.shape, call["keys"].z.shape, call["guide"].keys.shape
        (torch.Size([2, 4]), torch.Size([6, 4]), torch.Size([6, 4]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.model: nn.Module | None = None

    def start(self, model: nn.Module) -> None:
        """The guide is the model as it is."""
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """The guide stays as it is at test."""
        super().train(mode)
        if self.model is not None:
            self.model.eval()
        return self

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """The call with both sides set side by side, and the guide."""
        (call,) = calls
        if call.get("keys") is None:
            raise InputError("a guide compares pairs, and there is one side", fix="use pairs")
        queries, keys = numbered(call)
        n = len(queries)
        if not are_own(queries, keys[:n]):
            raise InputError("keys are not the queries' own, in their order", fix="give one positive an anchor")
        assert self.model is not None  # started
        said = again(self.model)
        z, seen = _beside(queries.z, keys.z)
        guide = _beside(as_points(said["queries"]).z, as_points(said["keys"]).z)
        anchors, positives = queries.with_z(seen[len(keys) : -n]), keys[:n].with_z(seen[-n:])
        none = torch.full((n,), -1, dtype=torch.long, device=z.device)
        every = Points.cat([
            keys.with_z(seen[: len(keys)]),
            anchors.with_columns(sample=none),
            positives.with_columns(sample=none),
        ])  # fmt: skip
        return [{"queries": queries.with_z(z), "keys": every, "guide": Guide(*guide)}]


def _beside(q: Float[Tensor, "n d"], k: Float[Tensor, "m d"]) -> tuple[Tensor, Tensor]:
    q, k = normalize(q), normalize(k)
    own, nothing = k[: len(q)], torch.zeros_like
    keys = [torch.cat([k, nothing(k)], 1), torch.cat([q, nothing(q)], 1), torch.cat([nothing(own), own], 1)]
    return torch.cat([q, own], 1), torch.cat(keys)
