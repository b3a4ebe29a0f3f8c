"""Items that are several points each."""

from __future__ import annotations

import torch

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure, are_own


class SeveralVectors(Procedure):
    """Items of several vectors each, `(n, k, d)`: every vector is a point by itself, and says what it is by `label`.

    Of a row with two sides the labels of the query's vectors come first, then those of its key's. All become queries,
    and what has a label below 0 is left out, such as what fills up items of fewer vectors. Source: Chen et al. 2023,
    "Sub-Sentence Encoder", where the vectors are those of a text's propositions.

    Args:
        column: Of the queries, `(n, k)`, or `(n, 2 k)` where there are keys: whole numbers.

    Raises:
        InputError: in a call, without that column or for labels of another number, or keys that are not one a query.

    Examples:
        >>> points = Points(torch.zeros(2, 2, 3), label=torch.tensor([[7, 8], [7, -1]]))
        >>> (call,) = SeveralVectors()([{"queries": points, "keys": None}], lambda model: {})
        >>> call["queries"].columns["label"].tolist(), call["queries"].z.shape
        ([7, 8, 7], torch.Size([3, 3]))
    """

    def __init__(self, column: str = "label") -> None:
        super().__init__()
        self.column = column

    def change(self, call: Call) -> Call:
        """The call with all vectors as queries."""
        sides = [as_points(call[side]) for side in ("queries", "keys") if call.get(side) is not None]
        label = sides[0].columns.get(self.column)
        if not are_own(sides[0], sides[-1]):
            raise InputError("keys are not one a query", fix="give pairs")
        z = torch.cat([side.z for side in sides], 1)
        if label is None or z.ndim != 3 or label.shape != z.shape[:2]:
            found = "none" if label is None else f"a column {tuple(label.shape)}"
            raise InputError(
                f"vectors {tuple(z.shape)} need a label each in {self.column!r}, and have {found}",
                fix="prepare the data, such as by in_propositions",
            )
        there = label >= 0
        return {"queries": Points(z[there], label=label[there])}
