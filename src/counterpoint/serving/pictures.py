"""Pictures that documents are named after, from one folder and nowhere else."""

from __future__ import annotations

from pathlib import Path

from counterpoint.errors import InputError
from counterpoint.files import inside
from counterpoint.search import Document, Hit

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
"""What browsers show and cannot run: no SVG, which is a program."""

_LARGEST = 32 << 20


def picture_of(folder: Path, document: Document | Hit) -> str | None:
    """The name of a document's picture within the folder: its id, or a value of its columns; None if it has none."""
    names = [document.id, *(value for value in document.columns.values() if isinstance(value, str))]
    return next((name for name in names if _file(folder, name) is not None), None)


def read_picture(folder: Path, name: str) -> tuple[bytes, str] | None:
    """A picture's bytes and type; None if there is none of this name within the folder, whatever links lead to.

    Examples:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp())
        >>> _ = (place / "secret.png").write_bytes(b"..."), (place / "in").mkdir()
        >>> read_picture(place, "secret.png"), read_picture(place / "in", "../secret.png")
        ((b'...', 'image/png'), None)
    """
    file = _file(folder, name)
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except OSError:
        return None
    return (content, TYPES[Path(name).suffix.lower()]) if len(content) <= _LARGEST else None


def _file(folder: Path, name: str) -> Path | None:
    if Path(name).suffix.lower() not in TYPES:
        return None
    try:
        file = inside(folder, name)
        return file if file.is_file() else None
    except (InputError, OSError, ValueError):  # it leads out, is too long, or holds a zero
        return None
