"""Lists of passages, and of the parts of each, with what teachers say of both."""

from __future__ import annotations

import torch

from counterpoint.errors import InputError
from counterpoint.objectives._layouts import Guide
from counterpoint.points import Points
from counterpoint.procedures._base import Again, Call, Procedure
from counterpoint.procedures.sides import Lists


class SpanLists(Procedure):
    """Two calls: each query with its list of passages, and each passage of the list with its parts.

    Vectors are those of `counterpoint.encoders.EachSpan`, `(n, l, t, d)`. The first call has each query's first set
    and the whole passages, with the column `teacher` for a guide (see `Lists`). The second has a row for each query and
    passage: the query's second set and the passage's parts, with the column `parts` `(n, k, p)` for a guide, NaN where
    there is no such part. Its rows have a `weight`, the softmax of the teacher's scores over the query's list, so that
    a mean over rows is `sum_i softmax(T(q, p_i)) L_i`, averaged over queries. With `DistillKL` of temperature 1 and
    `MaxSim` the sum of both losses is the paper's, and their mean half of it.

    Source: Gangi Reddy et al. 2024, "AGRaME: Any-Granularity Ranking with Multi-Vector Embeddings".

    Args:
        parts: Whether there is the second call.

    Raises:
        InputError: in a call, without these columns, or vectors of fewer sets than a passage has parts.

    Examples:
        >>> z = torch.ones(1, 3, 1, 2)
        >>> asked = Points(z, listed=torch.tensor([[7]]), teacher=torch.zeros(1, 1), parts=torch.tensor([[[1.0, 2.0]]]))
        >>> batch = {"queries": asked, "keys": Points(z, input=torch.tensor([7]))}
        >>> whole, parts = SpanLists()([batch], lambda model: {})
        >>> tuple(whole["owned"].z.shape), tuple(parts["owned"].z.shape), parts["guide"].owned.tolist()
        ((1, 1, 1, 2), (1, 2, 1, 2), [[1.0, 2.0]])
    """

    def __init__(self, *, parts: bool = True) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, calls: list[Call], again: Again) -> list[Call]:
        """Both, or the first alone."""
        del again
        call = Lists().change(calls[0])
        queries, owned, guide = call["queries"], call["owned"], call["guide"]
        columns = dict(queries.columns)
        said = columns.pop("parts", None)
        if said is None or queries.z.ndim != 4 or queries.z.shape[1] < max(2, 1 + said.shape[2]):
            raise InputError(
                f"vectors {tuple(queries.z.shape)} and what a teacher says of parts do not fit",
                fix="train an EachSpan, and prepare the data by taught_parts",
            )
        passages = {"keys": None, "queries": Points(queries.z[:, 0], columns), "guide": guide}
        whole = {**passages, "owned": Points(owned.z[:, :, 0], owned.columns)}
        if not self.parts:
            return [whole]
        valid, number = owned.columns["valid"], said.shape[2]
        weight = guide.owned.masked_fill(~valid, -torch.inf).softmax(1)
        there = (~said.isnan() & valid[..., None]).flatten(0, 1)
        asked = queries.z[:, 1].repeat_interleave(said.shape[1], 0)
        found = owned.z[:, :, 1 : 1 + number].flatten(0, 1)
        return [
            whole,
            {
                "queries": Points(asked, weight=weight.flatten()),
                "keys": None,
                "owned": Points(found, positive=torch.zeros_like(there, dtype=found.dtype), valid=there),
                "guide": Guide(owned=said.nan_to_num().flatten(0, 1).to(found)),
            },
        ]
