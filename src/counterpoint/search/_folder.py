"""The folder of an index: what it says of itself, and how one state of it takes another's place."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError
from counterpoint.files import check_output, remove
from counterpoint.precision import PRECISIONS, Ranges
from counterpoint.search._files import sync_folder
from counterpoint.search.exact import INDEXED

FORMAT = 2
SEVERAL = 3
"""Of an index of several vectors a document, which who knows the other alone must not write to."""
SPARSE = 4
"""Of one of vectors without their zeros."""
_DATA = re.compile(r"data-[0-9a-f]{12}")
_LEFT = 24 * 3600  # seconds after which what a killed build left is taken away; none works on it any more


def read(folder: Path) -> dict[str, Any]:
    """What `index.json` says.

    Raises:
        InputError: There is none, it cannot be read, or another version wrote it.
    """
    file = folder / "index.json"
    again = "make it anew with: counterpoint index SOURCE --output " + str(folder)
    try:
        about: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if about["format"] == 1:
            model = about["metadata"].get("model")
            named = "" if not model else f" --model {_beside(folder, str(model))}"
            raise InputError("the index was made by an earlier version, in Milvus", file=folder, fix=again + named)
        if about["format"] not in (FORMAT, SEVERAL, SPARSE):
            raise InputError("the index was made by another version", file=file, fix=again)
        good = (
            about["metric"] in INDEXED
            and isinstance(about["dim"], int)
            and all(isinstance(about[key], str) for key in ("data", "uri", "language", "fingerprint"))
            and (about["uri"] or _DATA.fullmatch(about["data"]))
            and isinstance(about["metadata"], dict)
            and about["approximate"] in (None, True, False)
            and about["precision"] in PRECISIONS
            and about.setdefault("several", False) == (about["format"] == SEVERAL)
            and about.setdefault("sparse", False) == (about["format"] == SPARSE)
            and (about["precision"] == "float32") == (about["ranges"] is None)
            and (about["ranges"] is None or _fit(about["ranges"], about["dim"]))
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("there is no index", file=folder, fix="make one with: counterpoint index") from error
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"the index's description cannot be read: {error.strerror}", file=file) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise InputError("the index's description cannot be read", file=file, fix=again)
    return about


def _fit(ranges: Any, dim: int) -> bool:
    """Whether these are ranges of so many dimensions."""
    try:
        return Ranges.from_json(ranges).dim == dim
    except InputError:
        return False


def _beside(folder: Path, model: str) -> str:
    """A model's folder as seen from here, where it is one; else its name."""
    return os.path.normpath(folder / model) if (folder / model).is_dir() else model


def stamp(folder: Path) -> tuple[int, int, int]:
    """What changes when another state takes the folder's place.

    Raises:
        InputError: There is no index any more.
    """
    try:
        found = (folder / "index.json").stat()
    except OSError as error:
        raise InputError("there is no index", file=folder, fix="make one with: counterpoint index") from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def write(folder: Path, about: dict[str, Any]) -> None:
    """Put `index.json` in place in one step that the disk keeps."""
    part = folder / f".index.json.{uuid.uuid4().hex}.part"
    try:
        with part.open("x", encoding="utf-8") as out:
            out.write(json.dumps(about, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(folder / "index.json")
    except BaseException:
        remove(part)
        raise
    sync_folder(folder)


def check(folder: Path, source: str | os.PathLike[str] | None = None) -> None:
    """Whether an index can be made here, before any work.

    Raises:
        InputError: Something else is there, or it cannot be written to.
    """
    # what a build leaves that was killed is nothing but data
    left = [p.name for p in folder.iterdir() if _DATA.fullmatch(p.name)] if folder.is_dir() else []
    check_output(folder, ours=["index.json", *left], source=source)


def previous(folder: Path) -> dict[str, Any]:
    """What an index that is to be replaced says of itself, whatever version made it; nothing if that is not known."""
    try:
        about = json.loads((folder / "index.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def remove_previous(folder: Path, data: str) -> None:
    """Take away the documents and words of what was replaced; `data` is what took its place."""
    for entry in folder.iterdir():
        ours = entry.name in ("index.db", "bm25") or entry.name.startswith("bm25-")
        if entry.name != data and (ours or _DATA.fullmatch(entry.name)):
            remove(entry)


def new_data() -> str:
    """A name for the documents of a new build."""
    return f"data-{uuid.uuid4().hex[:12]}"


def clean(folder: Path, current: str) -> None:
    """Take away what killed builds left, once it is old enough that none can be at work on it."""
    for entry in folder.iterdir():
        old = time.time() - entry.lstat().st_mtime > _LEFT
        if old and _DATA.fullmatch(entry.name) and entry.name != current:
            remove(entry)
