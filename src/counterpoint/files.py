"""Write aside, then rename: a reader sees the whole file or the old one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from counterpoint.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
_NO_SPACE = 2**16  # bytes


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder); on success it takes `path`'s place.

    On any failure what was written is removed and `path` is as it was. A full disk is an `InputError`. The
    folder that holds `path` is made if need be. Files have the mode that the umask says, whatever wrote them. A
    folder is replaced in two renames, so a kill between them can leave the old one beside the new one as
    `.NAME.old`, never a half-written one in its place.

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
        _as_umask_says(part)
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


def _as_umask_says(part: Path) -> None:
    """Give back what libraries that write through a private temporary file (safetensors) withhold: mode 600."""
    files = [part] if part.is_file() else [p for p in part.rglob("*") if p.is_file() and not p.is_symlink()]
    if all(p.stat().st_mode & 0o077 for p in files):
        return
    # asking for the umask means setting it, in all threads: a new file shows it
    probe = part.with_name(f"{part.name}.mode")
    try:
        probe.touch()
        wanted = probe.stat().st_mode & 0o777
    finally:
        probe.unlink(missing_ok=True)
    for p in files:
        if p.stat().st_mode & wanted != wanted:
            p.chmod(p.stat().st_mode & 0o777 | wanted)


def check_output(
    path: str | os.PathLike[str],
    kind: Literal["file", "folder", "replaced folder"] = "folder",
    *,
    suffix: str = "",
    ours: Collection[str] | None = None,
    source: str | os.PathLike[str] | None = None,
) -> Path:
    """Whether something can be written to `path`, to be asked before any work; nothing is left there.

    Args:
        path: Where to write.
        kind: A file; a folder that is written into; or one that is replaced as a whole (`atomic`), for which its
            parent must be writable.
        suffix: What a file's name must end in.
        ours: Names one of which a folder must hold if it holds anything (hidden files aside); None for any folder.
        source: What is read. It must not be overwritten, and if it is a folder, not written into.

    Returns:
        `path` as a Path.

    Raises:
        InputError: It is a folder where a file is to be or the reverse, a part of it is a file, it holds something
            else, belongs to the source, or may not be written.

    Examples:
        >>> folder = Path(tempfile.mkdtemp())
        >>> check_output(folder / "run") == folder / "run"
        True
        >>> (folder / "notes.txt").touch()
        >>> check_output(folder, ours=["run.json"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: ...: holds something else (notes.txt); choose another output.
    """
    path, other = Path(path), "choose another output"
    try:
        if path.is_symlink() and not path.exists():
            raise InputError("is a link that leads nowhere", file=path, fix=other)
        if kind == "file":
            _check_file(path, suffix)
        elif path.exists() and not path.is_dir():
            raise InputError("is a file, and a folder is to be written", file=path, fix=other)
        elif ours is not None and path.is_dir():
            every = sorted(p.name for p in path.iterdir())
            held = [name for name in every if not name.startswith(".")]
            if held and not set(ours) & set(every):
                more = ", ..." if len(held) > 3 else ""
                raise InputError(f"holds something else ({', '.join(held[:3])}{more})", file=path, fix=other)
        read = None if source is None else Path(source)
        if read is not None and read.is_dir() and path.resolve().is_relative_to(read.resolve()):
            raise InputError(f"lies in the source folder ({source})", file=path, fix=other)
        if read is not None and path.resolve() == read.resolve():
            raise InputError("is the source itself", file=path, fix=other)
        place = path if kind == "folder" else path.absolute().parent
        while not place.exists():
            place = place.absolute().parent
        if not place.is_dir():
            raise InputError(f"cannot be made, {place} is a file", file=path, fix=other)
        # modes do not tell of read-only disks, access lists and what root may
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise InputError(f"cannot be written ({why})", file=path, fix=f"{other} or change the permissions") from error
    return path


def alone(function: Callable[P, R]) -> Callable[P, R]:
    """A function that writes to its `output` for long, which no two processes do at once.

    The mark is a hidden file beside it, `.NAME.lock`, that is locked and not merely there: whatever ends the process
    ends the lock. Of processes that work together (torchrun) the first holds it. Where files cannot be locked, as on
    some network disks, nothing is.

    Args:
        function: Its `output` is where it writes.

    Raises:
        InputError: Of the function that is made: another run writes there.

    Examples:
        >>> @alone
        ... def work(output):
        ...     return sorted(p.name for p in Path(output).parent.iterdir())
        >>> folder = Path(tempfile.mkdtemp())
        >>> work(folder / "run"), list(folder.iterdir())
        (['.run.lock'], [])
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if os.environ.get("RANK", "0") != "0":
            return function(*args, **kwargs)
        with _locked(Path(bound.arguments["output"])):
            return function(*args, **kwargs)

    return held


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    whole = path.absolute()
    made = [each for each in (whole.parent, *whole.parent.parents) if not each.exists()]
    lock = FileLock(whole.with_name(f".{whole.name}.lock"), timeout=0)
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        fix = "wait until that has ended, or choose another output"
        raise InputError("another run is writing there", file=path, fix=fix) from error
    except (OSError, NotImplementedError):
        pass  # what may not be written is said by who writes
    try:
        yield
    finally:
        if lock.is_locked:
            # while it is held: whoever opened it meanwhile finds that it is gone, and makes another
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):
            for each in made:
                each.rmdir()


def _check_file(path: Path, suffix: str) -> None:
    if path.is_dir():
        some = f"output{suffix}"
        raise InputError(
            "is a folder, and a file is to be written", file=path, fix=f"write, for example, {path / some}"
        )
    if not path.name.endswith(suffix):
        raise InputError(f"does not end in {suffix}", file=path, fix=f"write {path}{suffix}")


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


def without_nan(value: Any) -> Any:
    """Mappings and sequences of values with None for what is not a finite number, which JSON does not know.

    Examples:
        >>> without_nan({"a": [1.0, float("nan")]})
        {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def with_nan(value: Any) -> Any:
    """Dictionaries and lists as they were before `without_nan`; what was infinite is NaN.

    Examples:
        >>> with_nan({"a": [1.0, None]})
        {'a': [1.0, nan]}
    """
    if isinstance(value, dict):
        return {name: with_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [with_nan(one) for one in value]
    return math.nan if value is None else value


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
