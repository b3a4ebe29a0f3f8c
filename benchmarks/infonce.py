"""Blocked InfoNCE, forward and backward, against `cross_entropy(q @ k.T / t, arange(n))`: time and extra memory.

Run: `python benchmarks/infonce.py [--n 8192] [--d 384] [--repeats 7] [--threads 2]`. Both sides get the same
normalised float32 inputs; repeats alternate in one process after a warm-up. Memory is the growth of the peak resident
size of a process of its own over what it holds once the inputs and their gradients are made; both have glibc hand freed
blocks of a megabyte or more back at once, so that what is measured is what is in use.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _measuring import alternate, in_process, peak_mb
from torch import Tensor

TEMPERATURE = 0.05
LARGE = 65_536


def dense(q: Tensor, k: Tensor) -> Tensor:
    return F.cross_entropy(q @ k.T / TEMPERATURE, torch.arange(len(q)))


def blocked(q: Tensor, k: Tensor) -> Tensor:
    from counterpoint.geometry import Dot
    from counterpoint.objectives import InfoNCE

    # the inputs are normalised already, as they are for the other side
    return InfoNCE(TEMPERATURE, geometry=Dot())(q, k)


SIDES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"dense": dense, "blocked": blocked}


def inputs(n: int, d: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k = (F.normalize(torch.randn(n, d, generator=generator), dim=1).requires_grad_() for _ in range(2))
    return q, k


def step(side: Callable[[Tensor, Tensor], Tensor], q: Tensor, k: Tensor) -> float:
    """Seconds of one forward and backward."""
    q.grad = k.grad = None
    start = time.perf_counter()
    side(q, k).backward()
    return time.perf_counter() - start


def memory(name: str, n: int, d: int) -> None:
    """Print the growth of this process's peak, in MB."""
    q, k = inputs(n, d)
    step(SIDES[name], *inputs(64, d))  # what is loaded on first use
    q.grad, k.grad = torch.ones_like(q), torch.ones_like(k)
    before = peak_mb()
    start = time.perf_counter()
    SIDES[name](q, k).backward()
    print(peak_mb() - before, time.perf_counter() - start)


def measured(name: str, n: int, d: int) -> tuple[float, float]:
    """Extra memory in MB and seconds, in a process of its own."""
    malloc = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "1000000"}
    out = in_process("--memory", name, "--n", str(n), "--d", str(d), env=os.environ | malloc)
    return float(out[0]), float(out[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=8192)
    parser.add_argument("--d", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--memory", choices=SIDES, help="(internal) measure one side's memory")
    parser.add_argument("--no-large", action="store_true", help=f"leave out n = {LARGE:,}")
    arguments = parser.parse_args()
    n, d = arguments.n, arguments.d
    torch.set_num_threads(arguments.threads)
    if arguments.memory:
        memory(arguments.memory, n, d)
        return

    q, k = inputs(n, d)
    times = alternate({n: (lambda side=side: step(side, q, k)) for n, side in SIDES.items()}, arguments.repeats)
    ratios = [b / a for a, b in zip(times["dense"], times["blocked"], strict=True)]
    print(f"InfoNCE forward+backward, n = {n:,}, d = {d}, float32, {torch.get_num_threads()} threads")
    for name, seconds in times.items():
        print(f"  {name:8} {statistics.median(seconds):7.3f} s  ({min(seconds):.3f} .. {max(seconds):.3f})")
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"  time   blocked / dense = {middle:.3f}  ({low:.3f} .. {high:.3f})  target 0.80")
    a, b = measured("dense", n, d)[0], measured("blocked", n, d)[0]
    print(f"  memory blocked / dense = {b / a:.3f}  ({b:.0f} MB, {a:.0f} MB)  target 0.10")
    if not arguments.no_large:
        megabytes, seconds = measured("blocked", LARGE, d)
        print(f"  n = {LARGE:,}: {megabytes:.0f} MB extra in {seconds:.1f} s  target 2,000 MB")


if __name__ == "__main__":
    main()
