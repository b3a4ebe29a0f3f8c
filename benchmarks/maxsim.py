"""A query by MaxSim against 1,000 documents beside PyLate's `colbert_scores` on the processor: time and peak memory.

    python benchmarks/maxsim.py                    # documents of 128 token vectors of 128 dimensions
    python benchmarks/maxsim.py --ragged           # of 16 to 128, which PyLate pads

Scores are asserted to be the same. `ours` is `search.maxsim_rows` over vectors one after another, `theirs` one product
over padded documents (PyLate's kernels are for GPUs). Seconds are those of `--repeats` runs in turns; memory is how far
a run lifts the peak in a process of its own that has the vectors already.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _measuring import alternate, growth_mb, in_process, ratio

from counterpoint.geometry import Ragged
from counterpoint.search import maxsim_rows

DIM, ASKED, MOST = 128, 32, 128


def vectors(counts: np.ndarray, seed: int) -> Ragged:
    """Of length one."""
    z = np.random.default_rng(seed).standard_normal((int(counts.sum()), DIM), dtype=np.float32)
    return Ragged(z / np.linalg.norm(z, axis=1, keepdims=True), np.concatenate([[0], np.cumsum(counts)]))


def peer() -> Callable[..., Any] | None:
    """PyLate's function alone: the rest of the package needs more than scores do."""
    spec = importlib.util.find_spec("pylate")
    if spec is None or spec.submodule_search_locations is None:
        return None
    folder = spec.submodule_search_locations[0]
    for name in ("", ".scores", ".utils"):
        module = types.ModuleType(f"pylate{name}")
        module.__path__ = [folder + name.replace(".", "/")]
        sys.modules[f"pylate{name}"] = module
    from pylate.scores.colbert import colbert_scores

    scores: Callable[..., Any] = colbert_scores
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--ragged", action="store_true")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    counts = np.full(given.documents, MOST)
    if given.ragged:
        counts = np.random.default_rng(2).integers(16, MOST + 1, given.documents)
    documents, query = vectors(counts, 0), vectors(np.array([ASKED]), 1)
    padded = torch.zeros(given.documents, MOST, DIM)
    mask = torch.arange(MOST) < torch.from_numpy(counts)[:, None]
    padded[mask] = torch.from_numpy(documents.vectors_td)
    asked, theirs = torch.from_numpy(query.vectors_td)[None], peer()
    runs: dict[str, Callable[[], Any]] = {"ours": lambda: next(iter(maxsim_rows(query, documents))).scores_bm}
    if theirs is not None:
        runs["theirs"] = lambda: theirs(asked, padded, documents_mask=mask).numpy()
    if given.memory:
        print(growth_mb(runs[given.memory]))
        return
    print(f"1 query of {ASKED} vectors, {given.documents:,} documents of {counts.mean():.0f}, {DIM} dimensions")
    if theirs is None:
        print("left out: PyLate is not installed; pip install pylate")
    else:
        np.testing.assert_allclose(runs["ours"](), runs["theirs"](), atol=1e-4)
    times = alternate(runs, given.repeats)
    more = ["--documents", str(given.documents), *["--ragged"] * given.ragged, "--memory"]
    memory = {name: float(in_process(*more, name)[0]) for name in runs}
    for name in runs:
        print(f"  {name:7} {1000 * statistics.median(times[name]):7.1f} ms  {memory[name]:7.1f} MB more")
    if theirs is not None:
        middle, least, most = ratio(times, "ours", "theirs")
        print(
            f"  {middle:.2f} ({least:.2f} .. {most:.2f}) of the time, target 1; "
            f"{memory['ours'] / max(memory['theirs'], 0.1):.3f} of the memory, target 0.5; the same scores"
        )


if __name__ == "__main__":
    main()
