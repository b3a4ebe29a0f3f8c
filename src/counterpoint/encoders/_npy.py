"""A .npy file written row block by row block, that a killed run can go on with."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from jaxtyping import Shaped

from counterpoint.errors import InputError
from counterpoint.files import remove, write_json
from counterpoint.precision import Ranges


class NpyWriter:
    """Append rows to `.NAME.part` beside `path`; on a clean exit it becomes `path`.

    `.NAME.json` beside it says how many rows are safely on disk, and a digest of what they were made
    from; a later writer with the same `fingerprint` skips those rows. The number of rows need not be known:
    the header has a fixed length and is filled in at the end. `ranges`, once set, are noted with the rows, come back
    in a later writer, and are at the end beside the file as `NAME.ranges.json`.
    """

    def __init__(self, path: Path, dim: int, fingerprint: str, resume: bool, dtype: np.dtype[Any]) -> None:
        self.path, self.dim, self.fingerprint, self.dtype = path, dim, fingerprint, dtype
        self.ranges: Ranges | None = None
        self.part = path.with_name(f".{path.name}.part")
        self.state = path.with_name(f".{path.name}.json")
        self.rows = self.seen = 0
        self.digest = hashlib.sha256()
        self.wanted = ""
        self.file: BinaryIO
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and self.part.exists() and self.state.exists():
            self._resume()
        else:
            remove(self.state)
            self.file = self.part.open("wb")
            self.file.write(self._header())

    def _resume(self) -> None:
        try:
            state = json.loads(self.state.read_text())
            known, self.rows, self.wanted = state["fingerprint"], state["rows"], state["texts"]
            self.ranges = Ranges.from_json(state["ranges"]) if state.get("ranges") else None
        except (ValueError, KeyError, TypeError) as error:
            raise self._mismatch("cannot be read") from error
        if known != self.fingerprint:
            raise self._mismatch("was made with another model or other settings")
        self.file = self.part.open("r+b")
        # rows written after the last note of progress may be incomplete
        self.file.truncate(len(self._header()) + self.dtype.itemsize * self.dim * self.rows)
        self.file.seek(0, os.SEEK_END)

    def _mismatch(self, why: str) -> InputError:
        return InputError(
            f"the unfinished result of an earlier run {why}",
            file=self.part,
            fix="start over with resume=False (--no-resume), or write to another file",
        )

    def skip(self, texts: Sequence[str]) -> bool:
        """Whether the rows of these texts are already there. Texts must be given in order, from the first."""
        if self.seen >= self.rows:
            return False
        self._add(texts)
        if self.seen > self.rows or (self.seen == self.rows and self.digest.hexdigest() != self.wanted):
            raise self._mismatch("is of other texts")
        return True

    def append(self, texts: Sequence[str], rows_nd: Shaped[np.ndarray, "n d"]) -> None:
        """Write the rows of `texts` and note that they are there."""
        self._add(texts)
        try:
            self.file.write(np.ascontiguousarray(rows_nd, dtype=self.dtype).data)
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise InputError(
                f"could not write: {error.strerror}",
                file=self.path,
                fix=f"make room and run the same again: it goes on from row {self.rows + 1}",
            ) from error
        self.rows = self.seen
        state: dict[str, Any] = {"fingerprint": self.fingerprint, "rows": self.rows, "texts": self.digest.hexdigest()}
        write_json(self.state, state | {"ranges": self.ranges and self.ranges.to_json()})

    def _add(self, texts: Sequence[str]) -> None:
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            self.digest.update(len(data).to_bytes(8, "little"))
            self.digest.update(data)
        self.seen += len(texts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.seen < self.rows:
            self.file.close()
            raise self._mismatch("is of more texts")
        if kind is None:
            self.file.seek(0)
            self.file.write(self._header())
            self.file.flush()
            os.fsync(self.file.fileno())
        self.file.close()
        if kind is None:
            ranges = self.path.with_name(f"{self.path.name}.ranges.json")
            if self.ranges is not None or ranges.exists():
                # no reader may find the rows of one run beside the ranges of another
                remove(self.path)
                remove(ranges)
            if self.ranges is not None:
                self.ranges.save(ranges)
            self.part.replace(self.path)
            remove(self.state)

    def _header(self) -> bytes:
        """The .npy header as of now; numpy pads it so that its length does not depend on the number of rows."""
        buffer, shape = io.BytesIO(), (self.rows, self.dim)
        about = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(buffer, about)
        return buffer.getvalue()
