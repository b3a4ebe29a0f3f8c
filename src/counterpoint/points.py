"""Points: vectors with named columns, the one thing that flows through the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from counterpoint.errors import InputError


class Points:
    """`n` embedded points and what is known of each.

    `z` is `(n, ...)`: one vector a point, `(n, d)`, or several, `(n, t, d)`. *Owned* keys, which only one query
    sees, are `(n, s, ...)` with columns `(n, s)`. Columns the core knows:

    | column | type | meaning |
    |---|---|---|
    | `sample` | int64 | data set id; points with the same id are views of one thing; -1: matches nothing |
    | `label` | int64 | class id; -1: unknown |
    | `input` | int64 | hash of the input, so that duplicates are known (`counterpoint.data.input_hash`) |
    | `partner` | int64 | `input` of the point this one is paired with |
    | `group` | int64 | points of one group are never each other's negatives; -1: in none |
    | `row` | int64 | of a batch with hard negatives: the row that brought a key |
    | `weight` | float | weight of the point's row in the loss, 0 or more |
    | `temperature` | float | above 0; the scores of the point's row are divided by it, too |
    | `score` | float | graded target of the pair this point begins |
    | `positive` | float | owned keys only: weight as a positive (0: a negative) |
    | `valid` | bool | False: padding, seen by nobody |

    Any other column may be added for relations of your own. Columns are data: they are moved to the device of `z`,
    and no gradient flows through them.

    Args:
        z: The vectors, floating point.
        columns: One tensor of length `n` each (owned: `(n, s)`).

    Raises:
        InputError: if `z` is no such tensor, or a column is not a tensor as long as it.

    Examples:
        >>> p = Points(torch.zeros(3, 2), label=torch.tensor([0, 1, 1]))
        >>> len(p), sorted(p.columns)
        (3, ['label'])
    """

    def __init__(self, z: Tensor, columns: Mapping[str, Tensor] | None = None, **more: Tensor) -> None:
        if not isinstance(z, Tensor) or z.ndim < 2 or not z.is_floating_point():
            given = f"{z.dtype} {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"
            raise InputError(
                f"points must be floating point and (n, d) or more, not {given}",
                fix="pass one row a point",
            )
        self.z = z
        every: dict[str, Any] = {**(columns or {}), **more}
        for name, column in every.items():
            if not isinstance(column, Tensor):
                raise InputError(f"column {name!r} is a {type(column).__name__}", fix="pass torch.tensor(...)")
        self.columns: dict[str, Tensor] = {name: c.detach().to(z.device) for name, c in every.items()}
        for name, column in self.columns.items():
            if column.shape[:1] != z.shape[:1]:
                raise InputError(
                    f"column {name!r} has {tuple(column.shape)[:1]} entries for {len(z)} points",
                    fix="give one entry a point",
                )

    def __len__(self) -> int:
        return len(self.z)

    def __repr__(self) -> str:
        return f"Points({tuple(self.z.shape)}, {', '.join(self.columns)})"

    def with_z(self, z: Tensor) -> Points:
        """The same points with other vectors."""
        return Points(z, self.columns)

    def with_columns(self, **columns: Tensor) -> Points:
        """The same points with columns added or replaced."""
        return Points(self.z, {**self.columns, **columns})

    def __getitem__(self, rows: slice | Tensor) -> Points:
        return Points(self.z[rows], {k: v[rows] for k, v in self.columns.items()})

    @staticmethod
    def cat(parts: Sequence[Points]) -> Points:
        """One after another. Only columns that every part has are kept.

        Examples:
            >>> a, b = Points(torch.zeros(2, 3)), Points(torch.ones(1, 3))
            >>> len(Points.cat([a, b]))
            3
        """
        shared = set(parts[0].columns).intersection(*(p.columns for p in parts[1:]))
        return Points(
            torch.cat([p.z for p in parts]),
            {name: torch.cat([p.columns[name] for p in parts]) for name in shared},
        )


def as_points(value: Points | Tensor) -> Points:
    """The short form: a plain tensor is points without columns."""
    return value if isinstance(value, Points) else Points(value)


def unmatched(z: Tensor, **columns: Tensor) -> Points:
    """Points that match nobody: extra shared negatives, such as a queue.

    Examples:
        >>> unmatched(torch.zeros(2, 4)).columns["sample"].tolist()
        [-1, -1]
    """
    sample = torch.full((len(z),), -1, dtype=torch.long, device=z.device)
    return Points(z, {"sample": sample, **columns})


def unknown(z: Tensor, like: Points) -> Points:
    """Points of which nothing is known, with the columns of others, so that these keep theirs beside them.

    A number is 0, a whole number -1 and a truth value True.

    Examples:
        >>> keys = Points(torch.zeros(1, 4), sample=torch.tensor([3]), age=torch.tensor([40.0]))
        >>> both = Points.cat([keys, unknown(torch.zeros(1, 4), keys)])
        >>> both.columns["sample"].tolist(), both.columns["age"].tolist()
        ([3, -1], [40.0, 0.0])
    """

    def none(column: Tensor) -> Tensor:
        value = True if column.dtype == torch.bool else 0 if column.is_floating_point() else -1
        return column.new_full((len(z), *column.shape[1:]), value)

    return Points(z, {name: none(column) for name, column in like.columns.items()})
