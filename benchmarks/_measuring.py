"""What the benchmarks share: both sides timed in turns in one process, memory in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("COUNTERPOINT_DATA", "../shared/data"))


def at_hand(name: str) -> Path | None:
    """This file or folder under the data's folder, where it is there."""
    return DATA / name if (DATA / name).exists() else None


def is_there(data: Path) -> bool:
    """Whether this folder is; where not, a line says so."""
    if not data.is_dir():
        print(f"left out: there is no folder {data}; name it by --data or COUNTERPOINT_DATA")
    return data.is_dir()


def alternate(
    runs: Mapping[str, Callable[[], Any]], repeats: int, *, warm_up: bool = True, enough: float = math.inf
) -> dict[str, list[float]]:
    """Seconds of each repeat of each run; a run may return its own seconds. After `enough` seconds three repeats do."""
    if warm_up:
        for run in runs.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    begun = time.perf_counter()
    for repeat in range(repeats):
        if repeat >= 3 and time.perf_counter() - begun > enough:
            break
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


def ratio(times: Mapping[str, Sequence[float]], ours: str, theirs: str) -> tuple[float, float, float]:
    """Median, least and greatest of our time over theirs, repeat by repeat."""
    ratios = sorted(a / b for a, b in zip(times[ours], times[theirs], strict=True))
    return statistics.median(ratios), ratios[0], ratios[-1]


def growth_mb(run: Callable[[], Any]) -> float:
    """How far a run lifts the peak resident size above where it stands; the best of two, as the first one loads things.

    glibc is made to hand back what is free, and freed blocks of a megabyte or more at once, so that what is measured is
    what is in use; that makes this process slow, and times are not to be taken in it.
    """
    libc = ctypes.CDLL(None)
    for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        libc.mallopt(option, 1_000_000)
    found = []
    for _ in range(2):
        gc.collect()
        libc.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is where it stands
        before = peak_mb()
        run()
        found.append(peak_mb() - before)
    return min(found)
