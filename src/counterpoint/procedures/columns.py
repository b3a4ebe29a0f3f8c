"""What is known of rows, on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from counterpoint.errors import InputError, refuse_string
from counterpoint.points import as_points
from counterpoint.procedures._base import Call, Procedure


class KeysKnow(Procedure):
    """Keys have columns of the rows that they are positives of, so that they are weighed as rows of their own.

    With layout `symmetric` a key is a row, too. Of what matches no row (`sample`) nothing is known: -1, or NaN.

    Args:
        columns: Names.

    Raises:
        InputError: in a call, for queries without one of them, or sides without `sample`.

    Examples:
        >>> from counterpoint.points import Points
        >>> queries = Points(torch.eye(2), sample=torch.tensor([4, 5]), score=torch.tensor([0.5, 1.0]))
        >>> keys = Points(torch.ones(3, 2), sample=torch.tensor([5, 4, -1]))
        >>> (call,) = KeysKnow(["score"])([{"queries": queries, "keys": keys}], lambda model: {})
        >>> call["keys"].columns["score"].tolist()
        [1.0, 0.5, nan]
    """

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__()
        refuse_string(columns, "columns")
        self.columns = tuple(columns)

    def change(self, call: Call) -> Call:
        """The call with these on the keys."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        if "sample" not in keys.columns or not {"sample", *self.columns} <= queries.columns.keys():
            raise InputError(
                f"rows know no {' and '.join(('sample', *self.columns))}", fix="give the data these columns"
            )
        mine, its = queries.columns["sample"], keys.columns["sample"]
        order = mine.argsort()
        place = order[torch.searchsorted(mine[order], its).clamp_max(len(mine) - 1)]
        known = mine[place] == its
        made = {}
        for name in self.columns:
            column = queries.columns[name]
            there = known.view(-1, *[1] * (column.ndim - 1))
            made[name] = torch.where(there, column[place], torch.nan if column.is_floating_point() else -1)
        return {**call, "keys": keys.with_columns(**made)}
