"""Vectors that are mostly zeros, in files: of each document the others and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import Float, Int64, Shaped

from counterpoint.geometry.late import taken
from counterpoint.search._files import mapped, write_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Rows: TypeAlias = "Float[np.ndarray, 'n d'] | csr_array"
"""One vector an item, with or without its zeros."""


def without_zeros(z_nd: csr_array) -> csr_array:
    """A copy in float32, ascending in each row, each place once."""
    z_nd = z_nd.astype(np.float32)
    z_nd.sum_duplicates()
    z_nd.eliminate_zeros()
    return z_nd


@dataclass(frozen=True)
class Nonzero:
    """Rows of which a slice, or those of some numbers, are taken as a `csr_array`.

    Attributes:
        places_t: Mapped; in which dimension each value stands, ascending in each row.
        values_t: Mapped; float32.
        ends_o: Where each row begins, and the end.
        dim: Dimensions, the zeros included.
    """

    places_t: Shaped[np.ndarray, " t"]
    values_t: Shaped[np.ndarray, " t"]
    ends_o: Int64[np.ndarray, " o"]
    dim: int

    def __len__(self) -> int:
        return len(self.ends_o) - 1

    @property
    def nbytes(self) -> int:
        """In the files."""
        return self.places_t.nbytes + self.values_t.nbytes + self.ends_o.nbytes

    def __getitem__(self, rows: slice | Int64[np.ndarray, " k"]) -> csr_array:
        from scipy.sparse import csr_array

        if isinstance(rows, slice):
            first, last, _ = rows.indices(len(self))
            ends = self.ends_o[first : max(first, last) + 1]
            part: slice | np.ndarray = slice(int(ends[0]), int(ends[-1]))
            ends = ends - ends[0]
        else:
            part, ends = taken(self.ends_o, rows)
        return csr_array((self.values_t[part], self.places_t[part], ends), shape=(len(ends) - 1, self.dim))


def map_nonzero(file: Path, rows: int, dim: int) -> Nonzero:
    """The vectors of a segment's documents, mapped.

    Raises:
        FileNotFoundError: They are not there (any more).
        InputError: They are not what they were.
    """
    (ends,) = mapped(file.with_suffix(".ends"), (1, rows + 1), np.dtype("<i8"), torch_reads=False)
    # blocks of it are copied, and it may be larger than the memory
    shape = int(ends[-1]), 1
    places = mapped(file.with_suffix(".places"), shape, np.dtype("<i4"), torch_reads=False)
    values = mapped(file.with_suffix(".values"), shape, np.dtype("<f4"), torch_reads=False)
    return Nonzero(places[:, 0], values[:, 0], ends, dim)


def write_nonzero(file: Path, blocks: Callable[[], Iterator[csr_array]]) -> None:
    """Write the rows of all blocks, which are made anew for each of the three files."""
    counts = [np.diff(block.indptr) for block in blocks()]
    ends = np.concatenate([[0], *counts]).cumsum()
    shape = int(ends[-1]), 1
    write_matrix(file.with_suffix(".places"), (block.indices for block in blocks()), shape, "<i4")
    write_matrix(file.with_suffix(".values"), (block.data for block in blocks()), shape, "<f4")
    write_matrix(file.with_suffix(".ends"), iter([ends]), (1, len(ends)), "<i8")
