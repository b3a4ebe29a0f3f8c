"""Which points of a batch are taken together."""

from __future__ import annotations

import torch

from counterpoint.errors import InputError
from counterpoint.points import as_points
from counterpoint.procedures._base import Call, Procedure


class InSets(Procedure):
    """Points of a batch in sets of so many, in its order, which is random: a column `set` says which.

    Keys are in the set of the query whose row they are of (`row`, where there are hard negatives, else `sample`). The
    last set may be smaller.

    Args:
        size: Of a set, 1 or more.

    Raises:
        InputError: for no size; in a call, for points of one side or of no rows.

    Examples:
        >>> from counterpoint.points import Points
        >>> side = Points(torch.eye(3), sample=torch.tensor([5, 7, 6]))
        >>> (call,) = InSets(2)([{"queries": side, "keys": side[torch.tensor([1, 2])]}], lambda model: {})
        >>> call["queries"].columns["set"].tolist(), call["keys"].columns["set"].tolist()
        ([0, 0, 1], [0, 1])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 1:
            raise InputError(f"sets of {size}", fix="give 1 or more")
        self.size = size

    def change(self, call: Call) -> Call:
        """The call with the column on both sides."""
        if call.get("keys") is None:
            raise InputError("sets have versions on the other side, and there is none", fix="give pairs or two views")
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        column = "row" if "row" in keys.columns else "sample"
        if column not in queries.columns or column not in keys.columns:
            raise InputError("points do not say which row they are of", fix="give them a column sample")
        number = torch.arange(len(queries), device=queries.z.device) // self.size
        mine, order = queries.columns[column].sort()
        place = torch.searchsorted(mine, keys.columns[column]).clamp_max(len(mine) - 1)
        known = mine[place] == keys.columns[column]
        theirs = torch.where(known, number[order[place]], -1)
        return {**call, "queries": queries.with_columns(set=number), "keys": keys.with_columns(set=theirs)}
