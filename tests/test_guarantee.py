"""dense = blocked = cached = distributed, for every registered objective; in the loop, for every head and procedure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch

import guarantee_cases as g
import guarantee_loop
from counterpoint import heads, objectives, procedures
from counterpoint.objectives import REGISTRY, RowObjective
from counterpoint.training._processes import Processes

CASES = {(dtype, case.name): case for dtype in g.DTYPES for case in g.cases(dtype)}
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


def differ(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative distance of two vectors."""
    scale = max(float(a.norm()), float(b.norm()), 1e-3)
    return float((a - b).norm()) / scale


def check(found, wanted, dtype: torch.dtype, name: str) -> None:
    for what, a, b in zip(("loss", "gradient"), found, wanted, strict=True):
        assert torch.isfinite(a).all(), f"{name}: {what} is not finite"
        assert differ(a, b) < TOLERANCE[dtype], f"{name}: {what} {a} is not {b}"


ONCE = pytest.mark.xdist_group("processes")
"""Run by one worker, so that the processes are started once."""


@pytest.fixture(scope="module", params=g.DTYPE_OF)
def distributed(request):
    """The type of numbers, and the results of all cases, on 2 and on 3 processes."""
    return on_processes(request.param)


@cache
def on_processes(world):
    """Once, in whatever order the tests come."""
    folder = Path(tempfile.mkdtemp())
    script = Path(g.__file__)
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(world), folder / "store", folder / "out"],
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank in range(world)
    ]
    for process in processes:
        error = process.communicate(timeout=1500)[1]
        assert process.returncode == 0, error.decode()
    looped = [torch.load(folder / f"out.loop.{rank}", weights_only=True) for rank in range(world)]
    found = torch.load(folder / "out", weights_only=True)
    shutil.rmtree(folder)
    return g.DTYPE_OF[world], found, looped


@pytest.mark.parametrize(("dtype", "name"), CASES, ids=[f"{n}-{str(d)[6:]}" for d, n in CASES])
class TestOneProcess:
    def test_blocked(self, dtype, name):
        case = CASES[dtype, name]
        dense = g.run(case, dtype, block=0)
        for block in (1, 4, None):
            check(g.run(case, dtype, block=block), dense, dtype, name)

    def test_cached(self, dtype, name):
        case = CASES[dtype, name]
        check(g.run_cached(case, dtype), g.run(case, dtype, block=0), dtype, name)

    def test_unreduced(self, dtype, name):
        case = CASES[dtype, name]
        objective = g.made(case.objective)
        if not g.unreduced(objective, case):
            pytest.skip("no value a query")
        dense = g.run(case, dtype, block=0, reduction="none")
        assert len(dense[0]) == len(case.batch.q)
        check(g.run(case, dtype, block=4, reduction="none"), dense, dtype, name)


@ONCE
def test_whoever_runs_tests_side_by_side_keeps_groups(request):
    """Else processes are started by every worker, which takes minutes and fails nothing."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one worker")
    assert request.node.nodeid.endswith("@processes")


@ONCE
def test_distributed(distributed):
    names = set()
    dtype, results, _ = distributed
    for key, found in results.items():
        name, how = key.split("|")
        case = CASES[dtype, name]
        wanted = g.run(case, dtype, block=0, reduction="none" if how == "none" else "mean")
        if how == "none":
            found = (found[0], found[1])
            wanted = (wanted[0][: len(found[0])], wanted[1])
        check(found, wanted, dtype, key)
        names.add(case.objective)
    assert names == set(REGISTRY)


def test_every_objective_is_covered():
    """Named here so that the report lists them; the gradient is not trivially zero in any case."""
    for name in REGISTRY:
        mine = [c for (dtype, _), c in CASES.items() if c.objective == name and dtype == torch.float64]
        assert len(mine) >= 2
        assert any(float(g.run(c, torch.float64)[1].norm()) > 1e-3 for c in mine), name
        if isinstance(one := g.made(name), RowObjective) and one.layout != "joint" and not one.paired:
            assert any(c.name.endswith("/soft") for c in mine)


@pytest.mark.parametrize("name", guarantee_loop.CASES)
class TestInTheLoop:
    """Heads and procedures: the loop's losses and gradients, and what is remembered (running statistics, queues)."""

    def dense(self, name, dtype):
        return guarantee_loop.run(guarantee_loop.CASES[name], dtype, Processes())

    def same(self, found, wanted, dtype, name):
        for what in wanted:
            assert differ(found[what], wanted[what]) < TOLERANCE[dtype], f"{name}: {what}"

    @pytest.mark.parametrize("dtype", g.DTYPES, ids=["float64", "float32"])
    def test_cached(self, name, dtype):
        # random numbers come after all chunks, those of an encoder without any do not matter
        wanted = self.dense(name, dtype)
        for chunk in (1, 3, 8):
            found = guarantee_loop.run(guarantee_loop.CASES[name], dtype, Processes(), chunk)
            self.same(found, wanted, dtype, f"{name}, chunks of {chunk}")

    @ONCE
    def test_distributed(self, distributed, name):
        dtype, _, every = distributed
        wanted = self.dense(name, dtype)
        assert float(wanted["gradients"].norm()) > 1e-3
        if name == guarantee_loop.DRAWN:  # any number will do
            wanted.pop("buffers")
        for rank, looped in enumerate(every):
            for chunk in (1000, 2):
                key = f"{name}|{chunk}"
                if name != guarantee_loop.DROPOUT:
                    self.same(looped[key], wanted, dtype, f"{key}, process {rank}")
                assert torch.equal(looped[key]["buffers"], every[0][key]["buffers"])


def test_every_head_and_procedure_is_covered():
    """As is every objective that has no name in the registry."""
    public = {
        value
        for room in (heads, objectives, procedures)
        for value in map(vars(room).get, room.__all__)
        if isinstance(value, type) and issubclass(value, torch.nn.Module)
    }
    seen = {type(module) for name in REGISTRY for module in g.made(name).modules()}
    for case in guarantee_loop.CASES.values():
        parts = [case.head(), case.objective(), *([] if case.procedure is None else [case.procedure()])]
        seen |= {type(module) for part in parts for module in part.modules()}
    assert public - {each for one in seen for each in one.__mro__} == set()


def test_a_head_by_itself_would_not_be_exact():
    """The cases can tell: with batch statistics of one half of the batch the gradients are others."""
    case = guarantee_loop.CASES["views together"]
    whole = guarantee_loop.run(case, torch.float64, Processes())["gradients"]
    other = guarantee_loop.run(guarantee_loop.CASES["view by view"], torch.float64, Processes())["gradients"]
    assert differ(whole, other) > 1e-3
