"""Pictures for tests, written to files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

RNG = np.random.default_rng(0)


def colours(*shape):
    return RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)


def shown(data):
    """Labelled pictures, their pixels as numbers from 0 to 1."""
    items = data.anchors[data.anchor]
    pixels = items.tensor.float() / 255 if items.tensor.dtype == torch.uint8 else items.tensor
    columns = {name: column for name, column in data.columns.items() if name != "label"}
    return SimpleNamespace(
        pixels=pixels,
        labels=data.columns.get("label"),
        names=tuple(items.names),
        classes=data.classes,
        columns=columns,
    )


def save(folder, name, array, **options):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(folder / name, **options)
    return array


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def bomb(path: Path, side: int = 30_000) -> None:
    """A file of some bytes that says it is so many pixels wide and high."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    data = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
