"""The loop on two and three processes ends with the weights of one; `torchrun` runs the main job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("two_processes.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def weights(folder, world):
    out = folder / f"{world}.safetensors"
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, str(rank), str(world), folder / f"store{world}", out],
            stderr=subprocess.PIPE, env=ENVIRONMENT,
        )
        for rank in range(world)
    ]  # fmt: skip
    for process in processes:
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 0, error.decode()
    return load_file(out)


@pytest.mark.parametrize("world", [pytest.param(2, marks=[pytest.mark.slow]), 3])
def test_weights_do_not_depend_on_how_many_processes(tmp_path, world):
    torch.testing.assert_close(weights(tmp_path, world), weights(tmp_path, 1), rtol=1e-4, atol=1e-5)


def test_torchrun_runs_the_main_job(tmp_path):
    rows = "".join(f"the {c} {n}\t{c} {n} is here\n" for c in ("red", "blue", "pink") for n in range(40))
    (tmp_path / "pairs.tsv").write_text("query\tdocument\n" + rows)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "counterpoint"]
    fit = ["fit", "pairs.tsv", "--base", "static", "--output", "run", "--index"]
    done = subprocess.run(
        [sys.executable, *command, *fit], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [s["name"] for s in about["content"]["systems"]][-2:] == ["trained", "BM25 + trained"]
    assert not (tmp_path / "run" / ".training").exists()
    # one process speaks
    assert done.stderr.count("training InfoNCE both ways") == 1
