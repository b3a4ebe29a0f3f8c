"""What every system trains in a few steps, as small numbers: code may move, the weights may not.

`python tests/systems/golden.py NAME ...` measures systems (all, without names) and keeps their numbers in
`golden.json`: for those that are meant to train something else from now on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, teachers
from counterpoint.systems import every, get
from counterpoint.systems.registry import slug
from counterpoint.testbeds import Testbed
from counterpoint.training import lists, loop

KEPT = Path(__file__).with_name("golden.json")
PROCESSOR = "AVX512"
"""Whose instructions the kept numbers were made with (torch's name)."""
Numbers = dict[str, list[float]]
"""Of each module that was trained: the mean of its weights, their norm, and three random projections."""

ROWS = 128
"""A step on as many as a system's batch has takes four times as long."""
STEPS = {"simcse": 3, "simcse-supervised": 3, "vega-v1": 3, "mochi": 12, "swav": 21, "swav-two-views": 21}
"""Where the mechanism begins later than after six steps, or a step takes long."""


def sample(bed: Testbed, n: int = ROWS) -> Data:
    """Some rows of a testbed's training part, evenly chosen."""
    data = bed.parts(0)[0]
    return data[torch.arange(len(data))[:: max(1, len(data) // n)][:n]]


@contextmanager
def short(steps: int) -> Iterator[list[Numbers]]:
    """Within, every training ends after so many steps; its numbers are given, in the order of the trainings."""
    seen: list[Numbers] = []

    def train(encoder, batches, objective, config, **options):
        result = loop.train(encoder, batches, objective, replace(config, steps=steps, dtype="float32"), **options)
        parts = {"encoder": encoder, "objective": objective, **options}
        states = {name: part.state_dict() for name, part in parts.items() if isinstance(part, nn.Module)}
        seen.append(numbers(states))
        return result

    assert lists.train  # a step before training would import it too late
    held = [m for name, m in sys.modules.items() if name.startswith("counterpoint") and m is not loop]
    patches = [patch.object(m, "train", train) for m in held if vars(m).get("train") is loop.train]
    for one in patches:
        one.start()
    try:
        yield seen
    finally:
        for one in patches:
            one.stop()


def numbers(states: dict[str, dict[str, Tensor]]) -> Numbers:
    """Mean, norm and three projections of all weights of each module side by side."""
    found = {}
    for name, state in states.items():
        flat = [t.detach().double().flatten().nan_to_num(0, 0, 0) for t in state.values() if t.is_floating_point()]
        w = torch.cat(flat or [torch.zeros(0)]).numpy()
        if len(w):
            ways = np.random.default_rng(0).standard_normal((3, len(w)))
            found[name] = [float(x) for x in (w.mean(), np.linalg.norm(w), *(ways @ w))]
    return found


def trained(name: str, method: Recipe | None = None) -> list[Numbers]:
    """The numbers of each stage of a system, on the data it runs on; of another method, where it is given."""
    # what a teacher said of a text in another batch differs in the last bits
    teachers._known.cache_clear()
    method = method or get(name).method()
    bed = taken(name, method)
    recipe, data = bed.settled(method), sample(bed)
    if recipe.start is not None:
        recipe.started(data, 0)  # what it is pretrained by is kept, and none of what is short here
    with short(STEPS.get(name, 6)) as seen:
        recipe.make(data, 0)
    return seen[-len(recipe.stages) :]  # what a step before training trains may have been kept


def taken(name: str, method: Recipe) -> Testbed:
    """The testbed that a system runs on; for a variant of other data that with the data of the first that it takes."""
    bed = get(name).sample
    for parts in (bed.parts, *(s.sample.parts for s in every())):
        found = replace(bed, parts=parts)
        try:
            method.takes.refuse(sample(found, 8), name)
        except InputError:
            continue
        return found
    raise AssertionError(f"{name} takes no sample")


def off(found: list[Numbers], kept: list[Numbers]) -> float:
    """The greatest difference of two numbers, relative to the norm of the weights they are of."""
    if [list(one) for one in found] != [list(one) for one in kept]:
        return float("inf")
    pairs = [(a[part], b[part]) for a, b in zip(found, kept, strict=True) for part in a]
    return max(float(np.abs(np.subtract(a, b)).max() / (b[1] + 1e-12)) for a, b in pairs)


def names() -> list[str]:
    """Of all systems and variants that train."""
    found = [slug(name) for s in every() for name in (s.name, *s.variants)]
    return [name for name in found if get(name).method().stages]


def main() -> None:
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept = {name: kept[name] for name in kept if name in names()}
    for name in sys.argv[1:] or names():
        kept[name] = [{part: [float(f"{x:.9g}") for x in row] for part, row in one.items()} for one in trained(name)]
        print(name, flush=True)
    lines = ",\n".join(f'"{name}": {json.dumps(kept[name])}' for name in sorted(kept))
    KEPT.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    main()
