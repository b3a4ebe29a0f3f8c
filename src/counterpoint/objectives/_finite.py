"""NaN and infinite values: found by one sum over the vectors, and only then is the row at fault looked for."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from counterpoint.engine import distributed
from counterpoint.errors import InputError
from counterpoint.objectives._layouts import Sides


def check_finite(sides: Sides, group: Any) -> None:
    """Raise where a vector or a weight is not finite; with a group on every process or on none.

    The loss does not tell: what is bad in a row that does not count is in the gradient of every key it sees, and some
    decompositions fail on it with a sentence of their own.

    Raises:
        InputError: says which side, and the first of its rows that is at fault.
    """
    parts = _parts(sides)
    probe = reduce(torch.add, (_sum(values) for _, values, _ in parts))
    if _is_finite(probe, group):
        return
    sentence = next(filter(None, (_sentence(*part) for part in parts)), None)
    # finite values may have a sum that is not
    if not _is_finite(torch.full_like(probe, 0.0 if sentence is None else math.nan), group):
        raise InputError(sentence or "another process has vectors or weights that are not finite", fix=_FIX)


def check_loss(loss: Tensor, group: Any) -> None:
    """Raise where the loss is not finite, of vectors that are.

    Raises:
        InputError: where it is not, with a group on every process or on none.
    """
    total = loss.detach().sum()
    if _is_finite(total, group):
        return
    whose = "the vectors are finite" if group is None else "all processes' vectors are finite"
    raise InputError(f"the loss is {float(total)}, though {whose}", fix=_FIX)


_FIX = "what diverged needs a lower learning rate or float32; what overflows, shorter vectors"


def _is_finite(value: Tensor, group: Any) -> bool:
    # of a finite value and of all others: 0, and NaN
    return math.isfinite(value if group is None else distributed.total(value * 0, group))


def _sum(values: Tensor) -> Tensor:
    return values.detach().sum(dtype=torch.promote_types(values.dtype, torch.float32))


# a function that is finite where a column may be, and what a row is where it may not
_COLUMNS = {
    "weight": (torch.sqrt, "is negative, NaN or infinite"),
    "temperature": (torch.log, "is not a finite number above 0"),
}


def _parts(sides: Sides) -> list[tuple[str, Tensor, str]]:
    """Name, values and what is wrong where they are not finite, of all that a gradient passes."""
    points = {"queries": sides.queries, "keys": sides.keys, "owned keys": sides.owned}
    guide = {"queries": sides.guide.queries, "keys": sides.guide.keys, "owned keys": sides.guide.owned}
    vectors = {name: side.z for name, side in points.items() if side is not None}
    vectors |= {f"guide's {name}": given for name, given in guide.items() if given is not None}
    parts = [(name, values, "holds NaN or infinite values") for name, values in vectors.items()]
    for name, side in points.items():
        for column, (function, wrong) in _COLUMNS.items():
            if side is not None and column in side.columns:
                parts.append((f"{column}s of the {name}", function(side.columns[column].float()), wrong))
    return parts


def _sentence(name: str, values: Tensor, wrong: str) -> str | None:
    bad = (~values.isfinite()).nonzero()
    return f"row {int(bad[0, 0])} of the {name} {wrong}" if len(bad) else None
