"""Write docs/self-supervised.md from the kept verdicts; with --check, say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from counterpoint.systems import System, Verdict, every
from counterpoint.systems.measuring import load
from counterpoint.systems.rule import REPRODUCED, difference_interval, judge_interval

PAGE = Path(__file__).parents[1] / "docs" / "self-supervised.md"
BED, REFERENCE = "CIFAR-10", "simclr"
PROBE, NEIGHBOURS = "probe accuracy", "5-nearest-neighbour accuracy"
RANK = "effective rank of the projection"
HEAD = """# Self-supervised learning at equal budget

<!-- Written by scripts/self_supervised_page.py from the kept verdicts; do not edit. -->

Every self-supervised system that was measured on CIFAR-10, with the same pictures, network, optimiser and number of
encoded views, {seeds} seeds each; labels are used by the probe alone. Heads, temperatures, views beyond two and
procedures are each paper's. Rows are in the order of probe accuracy; +- is the half width of the 95% interval over
seeds; neighbours and rank are kept where the main claim was measured there; the last column is the paired difference
to SimCLR's probe accuracy, clearly above (+) or below (-) 0. It is a table about this budget, which is small, and not
about what a method comes to in the end.

{about}.

| system | year | probe | 5-NN | effective rank of the projection | against SimCLR |
|---|---|---|---|---|---|
"""


def rows() -> list[tuple[System, Verdict, list[float]]]:
    """Systems without labels that were measured there, with their probe accuracies."""
    found = []
    for s in every():
        verdict = load(s.slug) if s.claims and "items" in s.method().takes.schemas else None
        own = [i for i, claim in enumerate(s.claims) if claim.system is None]
        there = [verdict.outcomes[i] for i in own] if verdict is not None else []
        probes = [o.values["system"] for o in there if (o.bed, o.metric) == (BED, PROBE)]
        if verdict is not None and probes:
            found.append((s, verdict, probes[0]))
    return found


def told(values: list[float], digits: int = 3) -> str:
    mean, (low, _) = difference_interval([(value, 0.0) for value in values])
    return f"{mean:.{digits}f} +- {mean - low:.{digits}f}"


def page() -> str:
    every_row = sorted(rows(), key=lambda row: -float(np.mean(row[2])))
    reference = next((probes for s, _, probes in every_row if s.slug == REFERENCE), None)
    lines = []
    for s, v, probes in every_row:
        sign = ""
        if reference is not None and s.slug != REFERENCE and len(probes) == len(reference):
            value, interval = difference_interval(list(zip(probes, reference, strict=True)))
            clear = {up: judge_interval(interval, up) == REPRODUCED for up in ("higher", "lower")}
            sign = f"{value:+.3f}" + (" (+)" if clear["higher"] else " (-)" if clear["lower"] else "")
        main = v.outcomes[0].bed == BED
        others = [told(v.figures[NEIGHBOURS]), told(v.figures[RANK], 1)] if main else ["", ""]
        lines.append(f"| [{s.name}](systems.md#{s.slug}) | {s.year} | {told(probes)} | {' | '.join(others)} | {sign} |")
    beds = {c.bed.about for s, *_ in every_row for c in s.claims if c.bed is not None and c.bed.name == BED}
    seeds = max((len(v.seeds) for _, v, _ in every_row), default=0)
    return HEAD.format(seeds=seeds, about="; ".join(sorted(beds))) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(page(), "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page():
        sys.exit("docs/self-supervised.md is not current; run: python scripts/self_supervised_page.py")
