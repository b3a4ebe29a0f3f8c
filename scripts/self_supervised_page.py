"""Write docs/self-supervised.md from the kept verdicts; with --check, say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from counterpoint.systems import System, Verdict, every
from counterpoint.systems.measuring import REPRODUCED, difference_interval, judge_interval, load

PAGE = Path(__file__).parents[1] / "docs" / "self-supervised.md"
BED, REFERENCE = "CIFAR-10", "simclr"
PROBE, NEIGHBOURS = "probe accuracy", "5-nearest-neighbour accuracy"
HEAD = """# Self-supervised learning at equal budget

<!-- Written by scripts/self_supervised_page.py from the kept verdicts; do not edit. -->

Every self-supervised system that was measured on CIFAR-10, with the same pictures, network, optimiser and number of
encoded views, {seeds} seeds each; labels are used by the probe alone. Heads, temperatures, views beyond two and
procedures are each paper's. Rows are in the order of probe accuracy; +- is the half width of the 95% interval over
seeds; the last column is the paired difference to SimCLR's probe accuracy, clearly above (+) or below (-) 0. It is a
table about this budget, which is small, and not about what a method comes to in the end.

{about}.

| system | year | probe | 5-NN | effective rank of the projection | against SimCLR |
|---|---|---|---|---|---|
"""


def rows() -> list[tuple[System, Verdict]]:
    """Systems without labels whose main claim was measured there."""
    found = [(s, load(s.slug)) for s in every() if s.claims and "items" in s.method().takes.schemas]
    return [(s, v) for s, v in found if v is not None and v.outcomes[0].bed == BED and PROBE in v.figures]


def told(values: list[float], digits: int = 3) -> str:
    mean, (low, _) = difference_interval([(value, 0.0) for value in values])
    return f"{mean:.{digits}f} +- {mean - low:.{digits}f}"


def page() -> str:
    every_row = sorted(rows(), key=lambda row: -float(np.mean(row[1].figures[PROBE])))
    reference = next((v for s, v in every_row if s.slug == REFERENCE), None)
    lines = []
    for s, v in every_row:
        sign = ""
        if reference is not None and s.slug != REFERENCE and v.seeds == reference.seeds:
            pairs = list(zip(v.figures[PROBE], reference.figures[PROBE], strict=True))
            value, interval = difference_interval(pairs)
            clear = {up: judge_interval(interval, up) == REPRODUCED for up in ("higher", "lower")}
            sign = f"{value:+.3f}" + (" (+)" if clear["higher"] else " (-)" if clear["lower"] else "")
        rank = told(v.figures["effective rank of the projection"], 1)
        probe, neighbours = told(v.figures[PROBE]), told(v.figures[NEIGHBOURS])
        lines.append(f"| [{s.name}](systems.md#{s.slug}) | {s.year} | {probe} | {neighbours} | {rank} | {sign} |")
    beds = {s.claims[0].bed.about for s, _ in every_row if s.claims[0].bed is not None}
    seeds = max((len(v.seeds) for _, v in every_row), default=0)
    return HEAD.format(seeds=seeds, about="; ".join(sorted(beds))) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(page(), "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page():
        sys.exit("docs/self-supervised.md is not current; run: python scripts/self_supervised_page.py")
