"""A job that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from counterpoint.generating import Endpoint, Generator, Sampling, number

SCRIPT = """
import sys
from generating.jobs import job
print(job(*sys.argv[1:])[0])
"""


def job(url, folder):
    """What every prompt was answered, and the account."""
    generator = Generator(Endpoint(url, "m", at_once=3, wait=0.01), folder)
    prompts = [f"p{i}" for i in range(30)]
    results = generator.ask(prompts, number(0, 1), Sampling(temperature=1.0), samples=2, tries=2)
    return [[result.value for result in row] for row in results], generator.account


def started(url, folder):
    """`job` in a process of its own."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url, folder], env=environment, stdout=subprocess.PIPE, text=True
    )
