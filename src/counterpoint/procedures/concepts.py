"""Groups of labelled rows as one set of labelled points."""

from __future__ import annotations

import torch

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class LabelledKeys(Procedure):
    """All points of both sides are queries, each with its `label`: every pair of the batch is positive or negative.

    A positive has the label of its row; what else a row brought has those of the row's column `found`, in their order
    (`counterpoint.negatives.term_groups`). The relation is then `same("label")`. The points keep `input`, by which
    copies of a term are known. Source: Zeng et al. 2022 (CODER++), whose loss is over all terms of the batch.

    Raises:
        InputError: in a call, for queries without `sample`, `label` and `found`, keys without `sample`, or another
            number of keys than `found` says.

    Examples:
        >>> rows = {"label": torch.tensor([5, 7]), "found": torch.tensor([[7, 8], [9, -1]])}
        >>> queries = Points(torch.eye(2), sample=torch.tensor([0, 1]), **rows)
        >>> keys = Points(torch.ones(4, 2), sample=torch.tensor([1, -1, -1, -1]))
        >>> (call,) = LabelledKeys()([{"queries": queries, "keys": keys}], lambda model: {})
        >>> call["queries"].columns["label"].tolist(), call["keys"] is None
        ([5, 7, 7, 7, 8, 9], True)
    """

    def change(self, call: Call) -> Call:
        """The call with one side, and labels on all of it."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        if not {"sample", "label", "found"} <= queries.columns.keys() or "sample" not in keys.columns:
            raise InputError("keys do not say what they are labelled", fix="make rows by `term_groups`")
        found, sample = queries.columns["found"], keys.columns["sample"]
        brought = sample < 0
        if int((found >= 0).sum()) != int(brought.sum()):
            raise InputError(
                f"{int((found >= 0).sum())} labels for {int(brought.sum())} keys that rows brought",
                fix="make both by `term_groups`",
            )
        label = torch.full_like(sample, -1)
        label[brought] = found[found >= 0]
        order = queries.columns["sample"].argsort()
        place = torch.searchsorted(queries.columns["sample"][order], sample[~brought])
        label[~brought] = queries.columns["label"][order[place]]
        both = Points.cat([queries, keys.with_columns(label=label)])
        return {"queries": both, "keys": None}
