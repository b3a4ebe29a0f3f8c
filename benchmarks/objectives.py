"""Every registered objective blocked against itself dense, and against peers' classes of the same name, as two lists.

Run: `python benchmarks/objectives.py [--quick] [--n 4096] [--d 256] [--only NAME]`. A side is one forward and backward
over the same float32 inputs; sides are taken in turns in one process after a warm-up, and a ratio is the median over
the repeats, with the least and the greatest. Memory is the growth of the peak resident size in a second process.
A peer's line begins with a check that both sides give the same loss.
"""

from __future__ import annotations

import argparse
import inspect
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from _measuring import alternate, growth_mb, in_process, ratio
from _peers import contests
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.objectives import REGISTRY, Guide, Objective
from counterpoint.objectives._whole import WholeObjective
from counterpoint.points import Points

MOST = {"dense": 1.15, "peer": 1.0}


@dataclass(frozen=True)
class Match:
    """Two sides of one line: each a loss of the leaves."""

    name: str
    ours: Callable[[], Tensor]
    theirs: Callable[[], Tensor]
    leaves: Sequence[Tensor]
    most: float

    def sides(self) -> dict[str, Callable[[], float]]:
        """Seconds of one forward and backward of either side."""
        return {"ours": lambda: self._step(self.ours), "theirs": lambda: self._step(self.theirs)}

    def _step(self, loss: Callable[[], Tensor]) -> float:
        for leaf in self.leaves:
            leaf.grad = None
        start = time.perf_counter()
        loss().backward()
        return time.perf_counter() - start


def made(name: str, n: int, d: int) -> Objective:
    """The registered objective, for `n` samples and vectors of `d` dimensions if it needs to know."""
    asked = inspect.signature(REGISTRY[name]).parameters
    return REGISTRY[name](**{word: value for word, value in (("dim", d), ("samples", n)) if word in asked})


def own(name: str, n: int, d: int) -> Match:
    """A registered objective in blocks of the usual size, against all rows at once."""
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(n, d, generator=g).requires_grad_() for _ in range(2))
    columns = {"sample": torch.arange(n), "label": torch.arange(n) // 4, "score": torch.rand(n, generator=g)}
    queries, keys = (Points(z, columns | {"view": torch.full((n,), view)}) for view, z in enumerate((q, k)))
    objective = made(name, n, d)
    guide = Guide(q.detach().flip(1), k.detach().flip(1)) if "guide" in objective.uses else None

    def loss(block: int | None) -> Callable[[], Tensor]:
        return lambda: objective(queries, keys, guide=guide, block=block)

    return Match(name, loss(None), loss(0), [q, k, *objective.parameters()], MOST["dense"])


def against_dense(only: str, n: int, d: int) -> list[Match]:
    """One match a registered objective; those that do not take rows are told once."""
    matches, whole = [], []
    for name in REGISTRY:
        if only not in name:
            continue
        objective = made(name, n, d)
        if objective.kind == "point" or isinstance(objective, WholeObjective):
            whole.append(name)
            continue
        match = own(name, min(n, 64), d)
        try:
            match.ours()
        except InputError as error:
            print(f"  {name}: not measured, {error}")
            continue
        matches.append(own(name, n, d))
    if whole:
        print(f"  one way of computing, nothing to compare: {', '.join(whole)}")
    return matches


def against_peers(only: str, d: int) -> list[Match]:
    """One match a class of a peer that is installed."""
    return [Match(c.name, c.ours, c.theirs, c.leaves, MOST["peer"]) for c in contests(d, print) if only in c.name]


def lists(arguments: argparse.Namespace) -> dict[str, Callable[[], list[Match]]]:
    """Title -> matches."""
    n, d, only = arguments.n, arguments.d, arguments.only
    return {
        f"blocked against dense, n = {n:,}, d = {d}": lambda: against_dense(only, n, d),
        f"against peers' classes, d = {d}": lambda: against_peers(only, d),
    }


def line(match: Match, repeats: int, memory: dict[str, str]) -> bool:
    """Print one line; whether it is within its target."""
    times = alternate(match.sides(), repeats, enough=10)
    middle, low, high = ratio(times, "ours", "theirs")
    late = "  SLOWER" if middle > match.most else ""
    ours, theirs = (1e3 * statistics.median(times[side]) for side in ("ours", "theirs"))
    print(
        f"  {match.name:64} {ours:9.2f} {theirs:9.2f} ms  {middle:5.2f} ({low:.2f} .. {high:.2f})  "
        f"{memory.get(match.name, ''):>16} MB{late}",
        flush=True,
    )
    return not late


def measure_memory(arguments: argparse.Namespace) -> None:
    """One line: name, and MB of either side, one match after another."""
    words = []
    for matches in lists(arguments).values():
        for match in matches():
            sides = "/".join(f"{growth_mb(run):.0f}" for run in match.sides().values())
            words.append(f"{match.name}={sides}".replace(" ", "_"))
    print(" ".join(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4096, help="rows of blocked against dense")
    parser.add_argument("--d", type=int, default=256)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", metavar="NAME", help="lines whose name holds this")
    parser.add_argument("--quick", action="store_true", help="no memory, and three repeats unless told")
    parser.add_argument("--memory", action="store_true", help="(internal) measure memory alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory:
        measure_memory(arguments)
        return
    memory: dict[str, str] = {}
    if not arguments.quick:
        words = in_process(*sys.argv[1:], "--memory")
        memory = dict(word.replace("_", " ").rsplit("=", 1) for word in words)
    repeats = arguments.repeats or (3 if arguments.quick else 7)
    failed = 0
    for title, matches in lists(arguments).items():
        print(f"{title}, float32, {torch.get_num_threads()} threads: ours, theirs, ours / theirs; extra memory")
        failed += sum(not line(match, repeats, memory) for match in matches())
    print(f"{failed} lines are above their target ({MOST['dense']} dense, {MOST['peer']} peers)")


if __name__ == "__main__":
    main()
