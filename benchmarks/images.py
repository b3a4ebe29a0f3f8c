"""SimCLR on pictures of 32 x 32 pixels against the same written by hand in plain PyTorch.

Run: `python benchmarks/images.py [--data cifar10.npz] [--pictures 5000] [--repeats 3]`. The file has `x_train`
(n, 32, 32, 3) uint8; without it the pictures are noise, which takes the same time. Both sides: an epoch in two views,
batch 256, a residual network of 32, 64 and 128 channels whose stem halves the picture, a head with one hidden layer,
InfoNCE at temperature 0.2 over both views, AdamW with warm-up and a cosine, clipping at 1, bfloat16 autocast where the
processor is fast at it, the same views with the same random numbers. Timed is all from uint8 pixels to trained weights.
The losses of the steps are compared. Memory is the peak resident size of a process of its own, and its growth after one
step.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _measuring import DATA, alternate, in_process, peak_mb, report
from torch import Tensor, nn

BATCH, TEMPERATURE, RATE, DECAY, WARMUP = 256, 0.2, 2e-3, 1e-4, 0.1
TARGET = 1 / 1.3


def pictures(path: Path, n: int) -> Tensor:
    """(n, 3, 32, 32) uint8."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            array = file["x_train"][:n]
    else:
        print(f"{path} is not there: noise", flush=True)
        array = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()


def parts() -> tuple[nn.Module, nn.Module, object]:
    """Network, head and view, for both sides."""
    from counterpoint.encoders import ImageEncoder
    from counterpoint.heads import projection
    from counterpoint.views import affine, blur, compose, grey, jitter

    torch.manual_seed(0)
    crop = affine(area=(0.2, 1.0), aspect=(3 / 4, 4 / 3), flip=True)
    view = compose(crop, jitter(0.5), grey(0.2), blur((0.1, 1.0)))
    return ImageEncoder(3, groups=2, stride=2, standardized=True), projection(128, hidden=(128,)), view


def by_hand(pixels: Tensor, epochs: float) -> tuple[float, list[float]]:
    """Seconds, and the loss of every step."""
    from counterpoint.encoders import fast_bfloat16

    encoder, head, view = parts()
    start, losses = time.perf_counter(), []
    matrices = [p for p in (*encoder.parameters(), *head.parameters()) if p.ndim > 1]
    others = [p for p in (*encoder.parameters(), *head.parameters()) if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    per_epoch = len(pixels) // BATCH
    steps = math.ceil(epochs * per_epoch)
    half = fast_bfloat16(torch.device("cpu"))
    own = torch.eye(2 * BATCH, dtype=torch.bool)
    partner = torch.arange(2 * BATCH).roll(BATCH)
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(step // per_epoch))
        rows = order[step % per_epoch * BATCH :][:BATCH]
        warm = math.ceil(WARMUP * steps)
        share = (step + 1) / warm if step < warm else (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2
        for group in optimizer.param_groups:
            group["lr"] = RATE * share
        torch.manual_seed(hash((0, step, 0)) % 2**63)
        x = pixels[rows].float().div_(255)
        inputs = torch.cat([view(x), view(x)])
        with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
            z = head(encoder(inputs))
        z = F.normalize(z.float(), dim=1)
        scores = (z @ z.T / TEMPERATURE).masked_fill(own, -math.inf)
        loss = F.cross_entropy(scores, partner)
        loss.backward()
        nn.utils.clip_grad_norm_([*encoder.parameters(), *head.parameters()], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
    return time.perf_counter() - start, losses


def ours(pixels: Tensor, epochs: float) -> tuple[float, list[float]]:
    """The same of our side."""
    import counterpoint as cp
    from counterpoint.data.items import Data, Items
    from counterpoint.training.rows import RowBatches

    encoder, head, view = parts()
    config = cp.TrainConfig(
        epochs=epochs, batch_size=BATCH, learning_rate=RATE, weight_decay=DECAY, warmup=WARMUP, validations=1
    )
    start = time.perf_counter()
    batches = RowBatches(Data.alone(Items("image", pixels)), encoder, view=view)
    result = cp.train(encoder, batches, cp.InfoNCE(TEMPERATURE, layout="views"), config, head=head)
    return time.perf_counter() - start, [row["loss"] for row in result.history]


SIDES = {"by hand": by_hand, "ours": ours}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "images/cifar10.npz")
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", choices=SIDES, help="(internal) measure one side's memory")
    arguments = parser.parse_args()
    pixels = pictures(arguments.data, arguments.pictures)
    an_epoch = 1.0
    if arguments.memory:
        one_step = 1 / (len(pixels) // BATCH)
        SIDES[arguments.memory](pixels, one_step)
        before = peak_mb()
        SIDES[arguments.memory](pixels, an_epoch)
        print(peak_mb() - before, before)
        return

    print(f"{len(pixels):,} pictures in two views, batches of {BATCH}, {torch.get_num_threads()} threads", flush=True)
    times = alternate(
        {name: (lambda run=run: run(pixels, an_epoch)[0]) for name, run in SIDES.items()}, arguments.repeats
    )
    report(times, len(pixels), "pictures", {"ours": ("by hand", round(TARGET, 2))})
    (_, a), (_, b) = (run(pixels, 1.0) for run in (by_hand, ours))
    furthest = max(abs(x - y) / x for x, y in zip(a, b, strict=True))
    print(f"  losses of {len(a)} steps: at most {furthest:.2%} apart, {a[0]:.3f} to {a[-1]:.3f}")
    for name in SIDES:
        more, peak = in_process("--memory", name, "--data", str(arguments.data), "--pictures", str(len(pixels)))
        print(f"  {name:20} {float(peak):8.0f} MB, {float(more):.0f} more after the first step", flush=True)


if __name__ == "__main__":
    main()
