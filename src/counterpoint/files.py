"""Write aside, then rename: a reader sees the whole file or the old one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError

_NO_SPACE = 2**16  # bytes


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder); on success it takes `path`'s place.

    On any failure what was written is removed and `path` is as it was. A full disk is an `InputError`. The
    folder that holds `path` is made if need be. A folder is replaced in two renames, so a kill between
    them can leave the old one beside the new one as `.NAME.old`, never a half-written one in its place.

    Examples:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> with atomic(folder / "a.txt") as part:
        ...     _ = part.write_text("whole")
        >>> [p.name for p in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(part)
        yield part
        if part.is_dir() and path.is_dir():
            old = path.with_name(f".{path.name}.old")
            remove(old)
            path.rename(old)
            part.rename(path)
            remove(old)
        else:
            part.replace(path)
    except Exception as error:
        full = not isinstance(error, InputError) and _is_full(error, part.parent)
        remove(part)
        if full:
            raise InputError(
                "no space left on the disk, nothing was written",
                file=path,
                fix="free some space or choose another folder",
            ) from error
        raise
    except BaseException:
        remove(part)
        raise


def _is_full(error: Exception, folder: Path) -> bool:
    """The disk is full, or the quota is used up."""
    number = error.errno if isinstance(error, OSError) else None
    if number is not None:
        return number in (errno.ENOSPC, errno.EDQUOT)
    # numpy and safetensors hide the error number, torch even the reason
    said = any(words in str(error) for words in ("No space left", "Not enough free space", "quota exceeded"))
    return said or (folder.is_dir() and shutil.disk_usage(folder).free < _NO_SPACE)


def remove(path: Path) -> None:
    """Remove a file or a folder; an absent one is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused (it is not JSON)."""
    with atomic(path) as part:
        part.write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, refusing a name that leads out of `folder`.

    Examples:
        >>> inside(Path("/srv/model"), "1_Pooling").name
        '1_Pooling'
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{name!r} leads out of the folder", file=folder, fix="remove that entry")
    return path
