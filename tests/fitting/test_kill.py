"""kill -9 at any moment, then the same command: the same model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

ROWS = "query\tdocument\n" + "".join(
    f"the {c} {n}\t{c} {n} is here with {n * 7 % 31}\n" for c in ("red", "blue", "pink", "grey") for n in range(60)
)


def command(output):
    return [
        sys.executable, "-m", "counterpoint", "fit", "pairs.tsv", "--base", "static", "--epochs", "40",
        "--checkpoint-seconds", "0", "--output", output,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("delay", [6.0, 9.0, 12.0])
def test_killed_fit_ends_the_same(tmp_path, delay):
    (tmp_path / "pairs.tsv").write_text(ROWS)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), cwd=tmp_path, env=environment, check=True, capture_output=True)
    process = subprocess.Popen(command("killed"), cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not (tmp_path / "killed" / "run.json").exists():
        subprocess.run(command("killed"), cwd=tmp_path, env=environment, check=True, capture_output=True)
    a, b = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
