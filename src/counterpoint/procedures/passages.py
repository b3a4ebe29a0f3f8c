"""Positives that are queries, too, and queries that are keys."""

from __future__ import annotations

import torch

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class AlsoPassages(Procedure):
    """Every positive is a query of its own, whose positive is the query that it answers.

    Rows of both kinds have a column `term`: 0 of the queries, with all keys of the batch; 1 of the positives, whose
    keys are the queries and the hard negatives. `Only("term", 1, InfoNCE(1.0, relation=Relation(negative=mined)))` of
    it is then a positive `p+` that is to be nearer to its query than to any negative,
    `-log(e^{s(p+, q)} / (e^{s(p+, q)} + sum e^{s(p+, p-)}))`. Source: Ren et al. 2021 (PAIR), the passage-centric
    similarity relation.

    Raises:
        InputError: in a call, for keys that do not say whose positive they are (`sample`).

    Examples:
        >>> queries = Points(torch.eye(2), sample=torch.tensor([4, 5]))
        >>> keys = Points(torch.ones(3, 2), sample=torch.tensor([4, 5, -1]))
        >>> (call,) = AlsoPassages()([{"queries": queries, "keys": keys}], lambda model: {})
        >>> call["queries"].columns["term"].tolist(), call["keys"].columns["term"].tolist()
        ([0, 0, 1, 1], [0, 0, 0, 1, 1, 1])
    """

    def change(self, call: Call) -> Call:
        """The call with both kinds of rows."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        if not {"sample"} <= queries.columns.keys() & keys.columns.keys():
            raise InputError("keys do not say whose positives they are", fix="give both sides a column 'sample'")
        answers = keys.columns["sample"] >= 0
        rows = _joined([queries, keys[answers]], [0, 1])
        return {**call, "queries": rows, "keys": _joined([keys, queries, keys[~answers]], [0, 1, 1])}


def _joined(parts: list[Points], terms: list[int]) -> Points:
    """One after another, each with its term."""
    numbers = (torch.full((len(part),), term, device=part.z.device) for part, term in zip(parts, terms, strict=True))
    return Points.cat([part.with_columns(term=number) for part, number in zip(parts, numbers, strict=True)])


class AlsoQueries(Procedure):
    """Queries are keys, too, and nobody's positives: the batch's other queries are negatives.

    Keys have a column `asked`, 1 of those that are queries. A query is no negative of itself or of its copies where
    the batch says which they are (`input`).

    Raises:
        InputError: in a call, for keys that do not say whose positive they are (`sample`).

    Examples:
        >>> queries, keys = (Points(torch.eye(2), sample=torch.tensor([4, 5])) for _ in range(2))
        >>> (call,) = AlsoQueries()([{"queries": queries, "keys": keys}], lambda model: {})
        >>> call["keys"].columns["sample"].tolist(), call["keys"].columns["asked"].tolist()
        ([4, 5, -1, -1], [0, 0, 1, 1])
    """

    def change(self, call: Call) -> Call:
        """The call with more keys."""
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        if not {"sample"} <= queries.columns.keys() & keys.columns.keys():
            raise InputError("keys do not say whose positives they are", fix="give both sides a column 'sample'")
        none = torch.full((len(queries),), -1, device=queries.z.device)
        sides = (keys, 0), (queries.with_columns(sample=none), 1)
        parts = [
            side.with_columns(asked=torch.full((len(side),), value, device=side.z.device)) for side, value in sides
        ]
        return {**call, "keys": Points.cat(parts)}
