"""Mining hard negatives beside sentence-transformers' `mine_hard_negatives`: seconds and peak memory.

    python benchmarks/mining.py                 # 7 for 38,000 queries among 38,000 documents of 384 dimensions
    python benchmarks/mining.py --rows 2000

Both are given the same vectors and texts, and end with the texts of each row's negatives; ours writes its file of
tuples, too. `plain` takes the first 7 that are no answer; `share` those that score at most 0.95 of the positive's
score, of the first 71. `agree` is the share of rows whose negatives are the same. `BM25 too` is ours with 7 lexical
negatives beside. Seconds are those of `--repeats` runs in turns; memory is how far a run lifts the peak in a process
of its own that has torch, the texts and the vectors already.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import alternate, growth_mb, in_process, ratio

from counterpoint.data import Example
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.negatives import Miner, by_vectors, lexical, rules, to_file
from counterpoint.negatives.mining import blocks_of, with_negatives

DIM, N, DEPTH = 384, 7, 71
Found = dict[str, list[str]]


class Given:
    """Vectors in place of a model."""

    def __init__(self, z: np.ndarray) -> None:
        self.z = z

    def __call__(self, *_: Any, **__: Any) -> np.ndarray:
        return self.z


def texts(rows: int) -> tuple[list[str], list[str]]:
    """Queries and documents of made words, each document of forty."""
    rng = np.random.default_rng(1)
    words = np.array([f"w{i}" for i in range(20_000)])
    drawn = words[rng.zipf(1.3, size=(rows, 40)) % len(words)]
    return [f"query {i} {' '.join(row[:5])}" for i, row in enumerate(drawn)], [
        f"document {i} {' '.join(row)}" for i, row in enumerate(drawn)
    ]


def vectors(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Documents around some centres, and queries near them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(2, rows // 50), DIM))
    z = centres[rng.integers(0, len(centres), rows)] + rng.normal(size=(rows, DIM))
    q = z + 0.7 * rng.normal(size=(rows, DIM))
    return tuple((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32) for x in (q, z))


def ours(
    data: Data, z: tuple[np.ndarray, np.ndarray], rule: str, folder: Path, *, bm25: bool = False
) -> list[list[str]]:
    keep = [] if rule == "plain" else [rules.share(0.95)]
    rankers = [by_vectors(*z), *([lexical(list(data.others.texts))] if bm25 else [])]
    for ranker in rankers:
        miner = Miner(data, ranker, N, depth=N + 1 if rule == "plain" else DEPTH, keep=keep)
        data = with_negatives(data, [miner(rows, 0).ids_bn for rows in blocks_of(len(data))])
    lines = list(to_file._tuples(data, N * len(rankers)))
    to_file._write(folder / "ours.jsonl", lines)
    return {row["anchor"]: list(row.values())[2:] for row in lines}


def theirs(dataset: Any, z: tuple[np.ndarray, np.ndarray], rule: str) -> Found:
    from sentence_transformers.util import mine_hard_negatives

    model = types.SimpleNamespace(
        device="cpu",
        encode_query=Given(z[0]),
        encode_document=Given(z[1]),
        similarity=lambda a, b: torch.as_tensor(a) @ torch.as_tensor(b).T,
        similarity_pairwise=lambda a, b: (torch.as_tensor(a) * torch.as_tensor(b)).sum(-1),
    )
    more = {} if rule == "plain" else {"relative_margin": 0.05}
    mined = mine_hard_negatives(dataset, model, num_negatives=N, output_format="n-tuple", verbose=False, **more)
    columns = [mined[f"negative_{i}"] for i in range(1, N + 1)]
    return dict(zip(mined["query"], map(list, zip(*columns, strict=True)), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=38_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    import datasets

    datasets.disable_progress_bars()
    queries, documents = texts(given.rows)
    z = vectors(given.rows)
    data = rows_of([Example(q, (d,)) for q, d in zip(queries, documents, strict=True)])
    dataset = datasets.Dataset.from_dict({"query": queries, "answer": documents})
    with tempfile.TemporaryDirectory() as folder:
        sides = {
            "ours": lambda rule: ours(data, z, rule, Path(folder)),
            "theirs": lambda rule: theirs(dataset, z, rule),
        }
        if given.memory:
            side, rule = given.memory
            print(growth_mb(lambda: sides[side](rule)))
            return
        print(f"{N} negatives for {given.rows:,} queries among as many documents, {DIM} dimensions")
        for rule in ("plain", "share"):
            found = {name: run(rule) for name, run in sides.items()}
            agree = np.mean([found["ours"].get(query) == found["theirs"].get(query) for query in queries])
            runs = {name: functools.partial(run, rule) for name, run in sides.items()}
            times = alternate(runs, given.repeats, warm_up=False)
            middle, least, most = ratio(times, "theirs", "ours")
            memory = {name: float(in_process("--rows", str(given.rows), "--memory", name, rule)[0]) for name in sides}
            for name in sides:
                print(f"  {rule:6} {name:7} {statistics.median(times[name]):7.1f} s  {memory[name]:7.0f} MB more")
            print(
                f"  {rule:6} {middle:.2f} ({least:.2f} .. {most:.2f}) times as fast, target 3; "
                f"{memory['ours'] / memory['theirs']:.3f} of the memory, target 0.5; agree {agree:.3f}"
            )
        both = functools.partial(ours, data, z, "plain", Path(folder), bm25=True)
        times = alternate({"ours": both}, 1, warm_up=False)
        print(f"  BM25 too: ours {times['ours'][0]:.1f} s")


if __name__ == "__main__":
    main()
