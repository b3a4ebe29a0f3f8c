"""Matrices in files: written once, synced, then mapped by all who read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from counterpoint.errors import InputError
from counterpoint.files import remove


def mapped(
    file: Path, shape: tuple[int, int], dtype: np.dtype[Any], *, torch_reads: bool = True
) -> Shaped[np.ndarray, "m w"]:
    """A matrix of this shape.

    Args:
        file: Where it is.
        shape: What it is to have.
        dtype: Likewise.
        torch_reads: Whether torch is given the rows as they are, which asks for memory that it may write to. Such may
            not be larger than the machine's memory.

    Raises:
        FileNotFoundError: It is not there (any more).
        InputError: It is not what it was.
    """
    try:
        # "c": what is written there would stay in this process
        rows_mw: np.ndarray = np.asarray(np.load(file, mmap_mode="c" if torch_reads else "r", allow_pickle=False))
        if rows_mw.shape != shape or rows_mw.dtype != dtype:
            raise ValueError(f"{rows_mw.dtype} {rows_mw.shape} in place of {dtype} {shape}")
    except FileNotFoundError:
        raise
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"the vectors cannot be read ({error})", file=file, fix="build the index again") from error
    return rows_mw


def write_matrix(
    file: Path, blocks: Iterator[Shaped[np.ndarray, "_ w"]], shape: tuple[int, int], dtype: str = "<f4"
) -> None:
    """Write a matrix to `file`, block by block, and have the disk say that it has it."""
    try:
        with file.open("xb") as out:
            head = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, head)
            for block_bw in blocks:
                out.write(np.ascontiguousarray(block_bw, dtype=dtype).data)
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        remove(file)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder, where the system can."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
