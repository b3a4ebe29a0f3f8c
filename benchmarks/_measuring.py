"""What the benchmarks share: both sides timed in turns in one process, memory in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def alternate(runs: Mapping[str, Callable[[], Any]], repeats: int, *, warm_up: bool = True) -> dict[str, list[float]]:
    """Seconds of each repeat of each run; a run may return its own seconds."""
    if warm_up:
        for run in runs.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            own = run()
            times[name].append(own if isinstance(own, float) else time.perf_counter() - start)
    return times


def report(
    times: Mapping[str, Sequence[float]], items: int, unit: str, targets: Mapping[str, tuple[str, float]]
) -> None:
    """A line a run: items a second and, where it has a target, how many times its rival's rate it is."""
    for name, seconds in times.items():
        line = f"  {name:20} {items / statistics.median(seconds):8.0f} {unit}/s"
        if name in targets:
            rival, target = targets[name]
            ratios = sorted(a / b for a, b in zip(times[rival], seconds, strict=True))
            line += (
                f"  {statistics.median(ratios):.2f} ({ratios[0]:.2f} .. {ratios[-1]:.2f}) x {rival}, target {target}"
            )
        print(line, flush=True)


def peak_mb() -> float:
    """Peak resident size of this process (not ru_maxrss, which a process inherits from the one that started it)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def in_process(*arguments: str, env: Mapping[str, str] | None = None) -> list[str]:
    """The last line's words that this benchmark prints when run with these arguments in a process of its own."""
    command = [sys.executable, sys.argv[0], *arguments]
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=None if env is None else dict(env))
    return out.stdout.splitlines()[-1].split()
