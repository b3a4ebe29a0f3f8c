"""Text files to lines, each with its number."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from counterpoint.data.types import Progress, Rejects
from counterpoint.errors import InputError


def read_lines(path: Path, reject: Rejects, progress: Progress | None = None) -> Iterator[tuple[int, str]]:
    r"""Stream (number, line) of a UTF-8 text file, gzipped or not; only \n ends a line, and is kept."""
    total = path.stat().st_size
    number = 0
    try:
        with path.open("rb") as raw:
            gzipped = path.suffix.lower() == ".gz"
            stream: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if gzipped else raw
            for number, line in enumerate(stream, 1):
                if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise InputError(
                        "the file is UTF-16, not UTF-8",
                        file=path,
                        fix=f"convert it: iconv -f UTF-16 -t UTF-8 {path.name}",
                    )
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    reason = f"byte {error.start + 1} of the line is not UTF-8"
                    shown = line.decode("utf-8", "backslashreplace")
                    reject(reason, number, shown, "convert the file to UTF-8")
                    continue
                yield number, text
                if progress is not None and number % 4096 == 0:
                    progress(raw.tell(), total)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            "the gzip file is truncated or broken after this line",
            file=path,
            line=number,
            fix="fetch or compress it again",
        ) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if progress is not None:
        progress(total, total)
