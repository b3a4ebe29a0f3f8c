"""Where the data of testbeds are: they cannot be shipped, and are found by a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from counterpoint.errors import InputError

VARIABLE = "COUNTERPOINT_DATA"


def find(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """A file or folder of the data.

    Args:
        name: Within the folder of all data, such as `images/cifar10.npz`.
        folder: Of all data; None: what the environment variable `COUNTERPOINT_DATA` says.

    Raises:
        InputError: No folder is given, or the file is not there.

    Examples:
        >>> find("images/none.npz", "/tmp")
        Traceback (most recent call last):
        counterpoint.errors.InputError: /tmp/images/none.npz: is not there; give the folder of the data (--data-dir), \
or name it in COUNTERPOINT_DATA.
    """
    fix = f"give the folder of the data (--data-dir), or name it in {VARIABLE}"
    place = folder or os.environ.get(VARIABLE)
    if not place:
        raise InputError(f"{name} is needed, and no folder of data is known", fix=fix)
    path = Path(place) / name
    if not path.exists():
        raise InputError("is not there", file=path, fix=fix)
    return path


def arrays(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of an `.npz` file, by name.

    Raises:
        InputError: The file cannot be read, or lacks one.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"cannot be read ({error})", file=path, fix=f"write the arrays {', '.join(names)} with numpy.savez"
        ) from error
