"""What the encoder was before the stage, as a guide: its vectors of the batch, as a column of both sides."""

from __future__ import annotations

import copy

from torch import nn

from counterpoint.points import as_points
from counterpoint.procedures._base import Again, Call, Procedure


class OwnGuide(Procedure):
    """Points get a column with what the encoder, as it was before the first step and without dropout, makes of them.

    For rules that leave pairs out by what a guide says: `Relation(ignored=near("guide", 0.9) & ~same("sample"))`.
    Unlike `counterpoint.methods.teachers.own_vectors` it knows of both sides, hard negatives among them, and encodes
    each batch once more.

    Args:
        column: Where they are put.

    Examples:
        >>> import torch
        >>> guide = OwnGuide()
        >>> guide.start(nn.Sequential(nn.Linear(2, 3), nn.Identity()))
        >>> batch = {"queries": torch.eye(2), "keys": torch.eye(2)}
        >>> (call,) = guide([batch], lambda model: {side: model(z).detach() for side, z in batch.items()})
        >>> tuple(call["keys"].columns["guide"].shape), sum(p.requires_grad for p in guide.parameters())
        ((2, 3), 0)
    """

    def __init__(self, column: str = "guide") -> None:
        super().__init__()
        self.column = column
        self.model: nn.Module | None = None

    def start(self, model: nn.Module) -> None:
        """The guide is a copy of the encoder, whatever its head."""
        # what a procedure is started with
        assert isinstance(model, nn.Sequential)
        self.model = nn.Sequential(copy.deepcopy(model[0]), nn.Identity()).requires_grad_(requires_grad=False)

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """The call with the guide's vectors."""
        (call,) = calls
        assert self.model is not None
        guided = again(self.model.eval())
        sides = {
            side: as_points(call[side]).with_columns(**{self.column: as_points(guided[side]).z})
            for side in ("queries", "keys")
            if call.get(side) is not None
        }
        return [{**call, **sides}]
