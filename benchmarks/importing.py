"""`import counterpoint` over `import torch`, each in a process of its own, in turns.

Run: `python benchmarks/importing.py [--repeats 7]`. sentence-transformers stands beside it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from _measuring import alternate, in_process, peak_mb

SIDES = {
    "torch": "torch",
    "counterpoint": "torch, counterpoint",
    "its functions": "torch; from counterpoint import InfoNCE, fit, load, train",
    "sentence-transformers": "torch, sentence_transformers",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", choices=SIDES, help="(internal) measure one side's memory")
    arguments = parser.parse_args()
    if arguments.memory:
        exec(f"import {SIDES[arguments.memory]}")
        print(peak_mb())
        return
    runs = {
        name: (lambda what=what: subprocess.run([sys.executable, "-c", f"import {what}"], check=True) and None)
        for name, what in SIDES.items()
    }
    times = alternate(runs, arguments.repeats)
    memory = {name: float(in_process("--memory", name)[0]) for name in SIDES}
    print(f"import torch: {statistics.median(times['torch']):.2f} s, {memory['torch']:.0f} MB; over it:")
    for name in list(SIDES)[1:]:
        over = sorted(a - b for a, b in zip(times[name], times["torch"], strict=True))
        target = ", target 0.3 s" if name == "counterpoint" else ""
        print(
            f"  {name:22} {statistics.median(over):5.2f} s ({over[0]:.2f} .. {over[-1]:.2f}),"
            f" {memory[name] - memory['torch']:4.0f} MB{target}"
        )


if __name__ == "__main__":
    main()
