"""Readers beside a writer that is killed: nothing acknowledged is lost, no reader is ever wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("readers", "seconds", "kills", "precision"),
    [
        (4, 4, 4, "float32"),
        (2, 3, 3, "binary"),
        (2, 3, 3, "several"),
        pytest.param(64, 60, 10, "float32", marks=pytest.mark.slow),
        pytest.param(16, 20, 10, "int8", marks=pytest.mark.slow),
    ],
)
def test_a_writer_is_killed_while_many_read(tmp_path, readers, seconds, kills, precision):
    asked = ["--readers", readers, "--seconds", seconds, "--kills", kills, "--precision", precision]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("crash.py"), tmp_path / "crash", *map(str, asked)],
        capture_output=True,
        text=True,
        timeout=20 * seconds + 120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["killed"], found["alive"], found["wrong"]) == (kills, True, 0), done.stderr
    assert done.stderr == ""
    assert found["writes"] > 10
    assert len(found["looks"]) == readers
    assert min(found["looks"]) > 0
