"""Keys that are put together of parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure

How = Literal["mean", "max", "halves"]


class Composed(Procedure):
    """The positives of a row are parts of one thing: their vectors become one key.

    `mean`: their mean; `max`: the greatest in each dimension; `halves`: of d dimensions the first d/p from the first of
    p parts, the next from the second, and so on. Source: Chanchani and Huang 2023, "Composition-contrastive Learning
    for Sentence Embeddings" (CompCSE), section 3, with two phrases of each sentence (`counterpoint.views.texts.parts`).
    Which rows share a part says nothing of the wholes: what the batch knows of copies (`input`, `partner`, `group`) is
    forgotten.

    Args:
        parts: Of each row.
        how: See above.
        then: Of what is composed and of the queries, in training only, as SimCSE's head; it sees the whole batch.

    Raises:
        InputError: in a call, for rows of another number of positives, or dimensions that cannot be divided.

    Examples:
        >>> keys = Points(torch.tensor([[1.0, 3.0], [3.0, 1.0]]), sample=torch.tensor([7, 7]))
        >>> (call,) = Composed()([{"queries": Points(torch.ones(1, 2)), "keys": keys}], lambda model: {})
        >>> call["keys"].z.tolist(), call["keys"].columns["sample"].tolist()
        ([[2.0, 2.0]], [7])
    """

    def __init__(self, parts: int = 2, how: How = "mean", then: nn.Module | None = None) -> None:
        super().__init__()
        if how not in ("mean", "max", "halves"):
            raise InputError(f"unknown way to compose {how!r}", fix="choose mean, max or halves")
        self.parts, self.how, self.then = parts, how, then

    def change(self, call: Call) -> Call:
        """The call with one key for the parts of each row."""
        queries, keys = call["queries"], call["keys"]
        sample, p = keys.columns["sample"], self.parts
        if len(sample) % p or not (sample.view(-1, p) == sample.view(-1, p)[:, :1]).all():
            raise InputError(
                f"keys are composed of {p} positives of each row", fix="give every row so many, and no others"
            )
        if self.how == "halves" and keys.z.shape[1] % p:
            raise InputError(f"{keys.z.shape[1]} dimensions are not of {p} equal parts", fix="compose by mean or max")
        z = keys.z.unflatten(0, (-1, p))
        if self.how == "halves":
            whole = torch.cat([part[:, i] for i, part in enumerate(z.chunk(p, 2))], 1)
        else:
            whole = z.mean(1) if self.how == "mean" else z.amax(1)
        first = torch.arange(0, len(sample), p, device=sample.device)
        queries, known = as_points(queries), {name: column[first] for name, column in keys.columns.items()}
        queries, composed = Points(queries.z, without_copies(queries.columns)), Points(whole, without_copies(known))
        if self.then is not None:
            queries, composed = (points.with_z(self.then(points.z)) for points in (queries, composed))
        return {**call, "queries": queries, "keys": composed}


def without_copies(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is known of points but for what tells copies, where they become points of another kind."""
    return {name: column for name, column in columns.items() if name not in ("input", "partner", "group")}
