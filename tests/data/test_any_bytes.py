"""Whatever bytes a file holds, reading it gives rows or one sentence."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from counterpoint.data.sources import load_source
from counterpoint.errors import InputError
from data.pictures import colours, save

FIELD = st.sampled_from(
    ["a", "b", "a.png", "../a.png", "x/", ".", "", " ", '"', "é", "\0", "head", "image", "caption", "1"]
)
LINE = st.lists(FIELD, max_size=4).map("\t".join)
TEXT = st.lists(LINE, max_size=6).map("\n".join).map(str.encode)


@settings(max_examples=150)
@given(
    text=st.one_of(TEXT, st.binary(max_size=60)),
    skip_bad=st.booleans(),
    name=st.sampled_from(
        ["a.tsv", "a.csv", "a.txt", "captions.tsv", "a.jsonl", "a.npz", "a.tsv.gz", "train.tsv", "metadata.csv"]
    ),
)
def test_any_table(text, skip_bad, name):
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), "a.png", colours(4, 4))
        path = Path(folder) / name
        path.write_bytes(text)
        for source in (path, Path(folder)):
            with contextlib.suppress(InputError):
                loaded = load_source(source, skip_bad=skip_bad)
                assert len(loaded.data)
                assert loaded.describe()
                assert skip_bad or not loaded.rejected


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


WHOLE = {kind: encoded(kind) for kind in ("png", "jpeg", "gif", "bmp", "webp", "tiff", "ppm")}


@settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(WHOLE)), at=st.floats(0, 1), change=st.binary(min_size=1, max_size=8), cut=st.booleans()
)
@pytest.mark.filterwarnings("error")
def test_any_picture(kind, at, change, cut):
    whole = WHOLE[kind]
    place = int(at * len(whole))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a", "b"):
            (Path(folder) / f"{name}.{kind}").write_bytes(whole)
        (Path(folder) / f"c.{kind}").write_bytes(
            whole[:place] + change + (b"" if cut else whole[place + len(change) :])
        )
        loaded = load_source(folder, skip_bad=True, size=8)
        assert len(loaded.data) + len(loaded.rejected) == 3
        assert loaded.data.anchors.names[:2] == (f"a.{kind}", f"b.{kind}")
