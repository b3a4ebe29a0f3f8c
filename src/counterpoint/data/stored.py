"""Texts that stay in files and are read when they are asked for: data larger than memory."""

from __future__ import annotations

import bisect
import ctypes
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
import torch
from jaxtyping import Int, Int64
from numpy.typing import NDArray

from counterpoint.data.hashing import input_hash, normalise
from counterpoint.data.items import Data, Items

_AT_ONCE = 50_000
"""Texts that are kept in memory before they are written."""


class TextWriter:
    """Appends texts to a file, and keeps of each its length, its hash, and that of its normal form.

    Args:
        file: Open for writing bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._kept = file, list[str]()
        self._parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])

    def __call__(self, text: str) -> None:
        """Append a text."""
        self._kept.append(text)
        if len(self._kept) == _AT_ONCE:
            self._write()

    def finish(self) -> dict[str, NDArray[np.int64]]:
        """`length` in bytes, `hash` (`input_hash`) and `content`, the hash after `normalise`, of each text."""
        self._write()
        none = [np.empty(0, np.int64)]
        names = ("length", "hash", "content")
        return {name: np.concatenate(none + parts) for name, parts in zip(names, self._parts, strict=True)}

    def _write(self) -> None:
        written = [text.encode("utf-8", "surrogatepass") for text in self._kept]
        self._file.write(b"".join(written))
        found = (list(map(len, written)), input_hash(self._kept), input_hash([normalise(t) for t in self._kept]))
        for parts, values in zip(self._parts, found, strict=True):
            parts.append(np.asarray(values, dtype=np.int64))
        self._kept = []


class StoredTexts(Sequence[str]):
    """Texts of several files that `TextWriter` wrote, one after the other, each known by its place.

    A text is read when it is asked for, by a call of the system that leaves nothing in the memory of the process.

    Args:
        files: The files.
        starts: Where each text begins, as if the files were one.
        lengths: Of each in bytes.
        hashes: See `Items.hashes`.
        contents: A file of NumPy with the hashes after `normalise`.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with (folder / "a").open("wb") as file:
        ...     writer = TextWriter(file)
        ...     for text in ("one", "two words"):
        ...         writer(text)
        ...     known = writer.finish()
        >>> np.save(folder / "contents.npy", known["content"])
        >>> starts = np.array([0, 3])
        >>> texts = StoredTexts([folder / "a"], starts, known["length"], known["hash"], folder / "contents.npy")
        >>> texts[1], len(texts), list(texts)
        ('two words', 2, ['one', 'two words'])
    """

    def __init__(
        self,
        files: Sequence[Path],
        starts: Int64[np.ndarray, " n"],
        lengths: Int[np.ndarray, " n"],
        hashes: Int64[np.ndarray, " n"],
        contents: Path,
    ) -> None:
        self._files, self._starts, self._lengths, self._hashes, self._contents = (
            files,
            starts,
            lengths,
            hashes,
            contents,
        )
        # where each file begins
        self._bases = [0]
        for file in files:
            self._bases.append(self._bases[-1] + file.stat().st_size)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        start, length = int(self._starts[place]), int(self._lengths[place])
        number = bisect.bisect_right(self._bases, start, hi=len(self._files)) - 1
        # opened each time: there may be more files than a process may have open
        descriptor = os.open(self._files[number], os.O_RDONLY)
        try:
            return os.pread(descriptor, length, start - self._bases[number]).decode("utf-8", "surrogatepass")
        finally:
            os.close(descriptor)

    def hashes(self) -> NDArray[np.int64]:
        """Of each text as it is (`input_hash`)."""
        return self._hashes

    def contents(self) -> NDArray[np.int64]:
        """Of each text after `normalise`, read from the file."""
        found: NDArray[np.int64] = np.load(self._contents)
        return found


def is_stored(data: Data) -> bool:
    """Whether the texts of the data are in files."""
    return isinstance(data.anchors.values, StoredTexts)


def compact(data: Data) -> Data:
    """The same rows over the items that they have, in memory, each once and in the order in which they first occur.

    Examples:
        >>> items = Items("text", ["a", "b", "c"])
        >>> small = compact(Data(items, torch.tensor([2, 0]), items, torch.tensor([[1], [1]])))
        >>> small.anchors.values, small.anchor.tolist(), small.others.values, small.positives.tolist()
        (['c', 'a'], [0, 1], ['b'], [[0], [0]])
    """
    anchors, (own,) = _only(data.anchors, [data.anchor[:, None]])
    anchor = own[:, 0]
    if data.others is None:
        return Data(anchors, anchor, columns=data.columns, source=data.source, classes=data.classes)
    sides = [side for side in (data.positives, data.negatives) if side is not None]
    others, found = _only(data.others, sides)
    rows = dict(zip(("positives", "negatives"), found, strict=False))
    return Data(anchors, anchor, others, columns=data.columns, source=data.source, classes=data.classes, **rows)


def some(data: Data, most: int = 20_000) -> Data:
    """The data as they are, but of stored ones so many rows at most, evenly spread and in memory.

    Examples:
        >>> data = Data.alone(Items("text", ["a", "b"]))
        >>> some(data, 1) is data
        True
    """
    if not is_stored(data):
        return data
    n = min(most, len(data))
    return compact(data[torch.arange(n) * len(data) // max(n, 1)])


def give_back() -> None:
    """Give memory that was freed back to the system, which the allocator of C does not do by itself; elsewhere nothing.

    Making a vocabulary of many texts otherwise leaves half a gigabyte behind.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # no GNU C library
        return


def _only(items: Items, sides: Sequence[torch.Tensor]) -> tuple[Items, list[torch.Tensor]]:
    """The items that these rows name, and the rows over them; -1 stays."""
    # row by row, so that the order is that of reading
    flat = torch.cat(list(sides), 1).flatten()
    flat = flat[flat >= 0]
    used, first = np.unique(flat.numpy(), return_index=True)
    ordered = used[np.argsort(first, kind="stable")]
    number = torch.full((len(items) + 1,), -1)
    number[torch.from_numpy(ordered)] = torch.arange(len(ordered))
    return items[torch.from_numpy(ordered)], [number[side] for side in sides]


def first_of(hashes: Iterable[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each different hash stands first, in order, and for each place which of these it is.

    Examples:
        >>> first_of([np.array([7, 5]), np.array([7])])
        (array([0, 1]), array([0, 1, 0]))
    """
    _, first, which = np.unique(np.concatenate(list(hashes)), return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return first[order], number[which]
