"""The fused kernel on a GPU: InfoNCE, forward and backward, against dense PyTorch, torch.compile and Inf-CL's kernel.

Run, on a GPU: `python benchmarks/fused.py [--n 65536] [--d 1024] [--repeats 7] [--tiles]`. All sides get the same
normalised vectors and are taken in turns after a warm-up. The rate of the device is measured by a plain matrix product
of the same type. A loss and its gradient take three such products (6 n m d operations), which is what a share of the
rate counts; the kernel does a fourth, as it takes the scores twice. `--tiles` compares ways of cutting the work.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from _measuring import alternate, ratio
from torch import Tensor

TEMPERATURE = 0.05
TARGETS = {"inf-cl": 1.5}
SHARE = 0.6


def dense(q: Tensor, k: Tensor) -> Tensor:
    return F.cross_entropy(q @ k.T / TEMPERATURE, torch.arange(len(q), device=q.device))


def fused(q: Tensor, k: Tensor) -> Tensor:
    from counterpoint.geometry import Dot
    from counterpoint.objectives import InfoNCE

    # the vectors are normalised already, as they are for the other sides
    return InfoNCE(TEMPERATURE, geometry=Dot())(q, k)


def inf_cl(q: Tensor, k: Tensor) -> Tensor:
    from inf_cl import cal_flash_loss

    return cal_flash_loss(q, k, scale=1 / TEMPERATURE).mean()


def sides() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Ours first; Inf-CL's where it is installed."""
    found = {"fused": fused, "dense": dense, "compiled": torch.compile(dense)}
    return found | ({"inf-cl": inf_cl} if find_spec("inf_cl") is not None else {})


def step(side: Callable[[Tensor, Tensor], Tensor], q: Tensor, k: Tensor) -> float:
    """Seconds of one forward and backward."""
    q.grad = k.grad = None
    torch.cuda.synchronize()
    start = time.perf_counter()
    side(q, k).backward()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_mb(side: Callable[[Tensor, Tensor], Tensor], q: Tensor, k: Tensor) -> float:
    """What a step takes at its peak over the vectors and their gradients."""
    step(side, q, k)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step(side, q, k)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def matmul_rate(q: Tensor, k: Tensor) -> float:
    """Operations a second of a plain product, best of ten."""
    part = q.detach()[:8192]
    best = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        start = time.perf_counter()
        _ = part @ k.detach().T
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * len(part) * len(k) * q.shape[1] / best


def accuracy(q: Tensor, k: Tensor, n: int = 4096) -> dict[str, float]:
    """Relative error of each side's gradient against float64, on some of the vectors."""
    leaves = [x.detach()[:n].clone().requires_grad_() for x in (q, k)]
    exact = [x.detach().double().requires_grad_() for x in leaves]
    wanted = torch.cat(torch.autograd.grad(dense(*exact), exact))
    errors = {}
    for name, side in sides().items():
        found = torch.cat(torch.autograd.grad(side(*leaves), leaves)).double()
        errors[name] = float((found - wanted).norm() / wanted.norm())
    return errors


def compare_tiles(q: Tensor, k: Tensor, repeats: int) -> None:
    """Seconds of the kernel alone, forward and backward, under several tiles."""
    from counterpoint.engine import fused as engine
    from counterpoint.engine._triton import Tile

    diagonal = torch.arange(len(q), device=q.device)[:, None]
    for tile in (
        Tile(128, 256, 64, 8, 3),
        Tile(128, 256, 64, 8, 4),
        Tile(128, 128, 64, 8, 4),
        Tile(128, 128, 64, 4, 4),
        Tile(256, 128, 64, 8, 3),
    ):
        try:
            run = alternate({"": lambda tile=tile: step(
                lambda q, k: engine.log_sum_exp(q, k, diagonal, tile=tile).mean(), q, k
            )}, repeats)[""]  # fmt: skip
            print(f"  {tile}: {1e3 * statistics.median(run):.2f} ms", flush=True)
        except Exception as error:  # a tile that does not fit this device
            print(f"  {tile}: {type(error).__name__}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=65_536)
    parser.add_argument("--d", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--tiles", action="store_true", help="compare ways of cutting the work")
    arguments = parser.parse_args()
    if not torch.cuda.is_available() or find_spec("triton") is None:
        print("the fused kernel needs a CUDA device and Triton (pip install 'counterpoint[gpu]'): nothing is measured")
        return
    n, d = arguments.n, arguments.d
    # float32 products take bfloat16 factors, as in training
    torch.set_float32_matmul_precision("medium")
    g = torch.Generator(device="cuda").manual_seed(0)
    q, k = (
        F.normalize(torch.randn(n, d, generator=g, device="cuda"), dim=1).bfloat16().requires_grad_() for _ in range(2)
    )
    rate = matmul_rate(q, k)
    print(f"{torch.cuda.get_device_name()}: a product of bfloat16 runs at {rate / 1e12:.0f} TFLOP/s")
    if arguments.tiles:
        compare_tiles(q, k, arguments.repeats)
        return
    errors, memory, running = accuracy(q, k), {}, {}
    for name, side in sides().items():
        try:
            memory[name] = peak_mb(side, q, k)
            running[name] = lambda side=side: step(side, q, k)
        except torch.OutOfMemoryError:
            print(f"  {name}: out of memory")
        torch.cuda.empty_cache()
    times = alternate(running, arguments.repeats)
    print(f"InfoNCE forward+backward, n = {n:,}, d = {d}, bfloat16")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(
            f"  {name:9} {1e3 * middle:8.2f} ms  {6 * n * n * d / middle / rate:5.1%} of the rate"
            f"  {memory[name]:8.0f} MB extra  gradient off by {errors[name]:.2%}"
        )
    print(f"  target of fused: {SHARE:.0%} of the rate")
    for name in times:
        if name != "fused":
            middle, low, high = ratio(times, name, "fused")
            target = TARGETS.get(name, 1.0)
            print(f"  {name} / fused = {middle:.2f} ({low:.2f} .. {high:.2f}), target {target}")
    if "inf-cl" not in times:
        print("  Inf-CL's kernel was not compared (pip install --no-deps inf_cl)")


if __name__ == "__main__":
    main()
