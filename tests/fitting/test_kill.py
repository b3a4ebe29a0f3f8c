"""kill -9 at any moment, then the same command: the same model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import count

import numpy as np
import pytest
from safetensors.numpy import load_file

ROWS = "query\tdocument\n" + "".join(
    f"the {c} {n}\t{c} {n} is here with {n * 7 % 31}\n" for c in ("red", "blue", "pink", "grey") for n in range(60)
)
MOMENTS = {
    "nothing is trained": ".training/base",
    "a checkpoint is there": ".training/checkpoint/state.json",
    "a best one is there": ".training/best.safetensors",
    "the model is saved": "model/model.safetensors",
}


def command(output):
    return [
        sys.executable, "-m", "counterpoint", "fit", "pairs.tsv", "--base", "static", "--epochs", "15",
        "--checkpoint-seconds", "0", "--output", output,
    ]  # fmt: skip


def run(folder, output, **more):
    return subprocess.Popen(
        command(output), cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "pairs.tsv").write_text(ROWS)
    assert run(folder, "run").wait() == 0
    return load_file(folder / "run" / "model" / "model.safetensors")


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_fit_ends_the_same(tmp_path, unbroken, moment):
    (tmp_path / "pairs.tsv").write_text(ROWS)
    mark = tmp_path / "run" / MOMENTS[moment]
    process = run(tmp_path, "run")
    while not mark.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert run(tmp_path, "run").wait() == 0
    found = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for name in unbroken:
        np.testing.assert_array_equal(found[name], unbroken[name])
    assert not (tmp_path / "run" / ".training").exists()


@pytest.mark.slow
def test_killed_again_and_again(tmp_path, unbroken):
    # each run gets a little further than the one before, wherever that is
    (tmp_path / "pairs.tsv").write_text(ROWS)
    for attempt in count(1):
        process = run(tmp_path, "run")
        try:
            assert process.wait(timeout=2.0 + attempt) == 0
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        # killed when all was written, while Python took itself down
        if (tmp_path / "run" / "run.json").exists():
            break
    assert attempt > 1
    found = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for name in unbroken:
        np.testing.assert_array_equal(found[name], unbroken[name])
