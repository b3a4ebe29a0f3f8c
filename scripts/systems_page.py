"""Write docs/systems.md from the registry and the verdicts; with --check, say whether it is current."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from counterpoint.systems import System, Verdict, every
from counterpoint.systems.measuring import current, load
from counterpoint.systems.registry import ARMS

PAGE = Path(__file__).parents[1] / "docs" / "systems.md"
HEAD = """# Systems

<!-- Written by scripts/systems_page.py from the registry and the kept verdicts; do not edit. -->

Every published system that is implemented here. `counterpoint run NAME` runs one, on small included data or on your own
file; `counterpoint verify NAME` measures what its paper claims and keeps the verdict.

**How a verdict is reached**, the same for every claim and fixed before any was measured: raw input, the untrained
start, the baseline, the system with its mechanism off, the system and a ceiling are measured with several seeds on
the same data and budget. The 95% interval (Student's t over the seeds) of the paired difference of system and
baseline lies on the paper's side of 0: *reproduced*; on the other: *contradicted*; on both: *not reproduced at this
scale*. There is a verdict only where the set-up can tell, else it is *this set-up cannot tell*, with the reason:
nothing has collapsed, the baseline is clearly better than every floor, the ceiling is better than the baseline by
more than twice the seeds' noise, and what the mechanism moves inside (the signal) has moved. The set-ups are small: a
verdict is about this scale, and the interval about the seeds (start, order, sample), not about other data.

"""


def number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1e-3 or abs(value) >= 1000 else f"{value:.4f}".rstrip("0").rstrip(".")


def overview(rows: list[tuple[System, Verdict | None]]) -> str:
    lines = ["| system | paper | year | verdict |", "|---|---|---|---|"]
    for s, v in rows:
        unmeasured = "never measured" if s.claims else "nothing to measure"
        verdict = "; ".join(o.verdict for o in v.outcomes) if v else unmeasured
        lines.append(f"| [{s.name}](#{s.slug}) | {s.title} | {s.year} | {verdict} |")
    return "\n".join(lines)


def section(s: System, v: Verdict | None) -> str:
    lines = [
        f"## {s.name}",
        "",
        f"*{s.title}* ({s.year}), family {s.family}. `counterpoint run {s.slug}`"
        + "".join(f", variant `{name}`" for name in s.variants)
        + f". Mechanism: `{s.mechanism}`.",
        "",
        s.setup,
        "",
    ]
    if not s.claims:
        return "\n".join(lines)
    if v is None:
        return "\n".join([*lines, "Never measured.", ""])
    arms = [arm for arm in ARMS if any(arm in o.values for o in v.outcomes)]
    lines += [
        f"| claim | figure | {' | '.join(arms)} | system minus baseline (95%) | verdict |",
        f"|---|---|{'---|' * len(arms)}---|---|",
    ]
    for o in v.outcomes:
        low, high = map(number, o.interval)
        verdict = f"**{o.verdict}**" + f": {o.reason}" * bool(o.reason)
        means = " | ".join("" if (mean := o.mean(arm)) is None else number(mean) for arm in arms)
        where = f", {o.bed}" * bool(o.bed)
        margin = f" (margin {number(o.margin)})" * bool(o.margin)
        lines.append(
            f"| {o.text}{margin}; against {o.baseline} | {o.metric}, {o.better} is better{where} | {means} | "
            f"{number(o.value)} ({low} to {high}) | {verdict} |"
        )
    signal = ""
    if v.signal:
        means = [number(sum(v.signal[arm]) / len(v.seeds)) for arm in ("system", "off")]
        signal = f"Signal, {v.signal['name']}: {means[0]}, with the mechanism off {means[1]}. "
    older = "" if current(s, v) else " **Measured with older code**: it is to be measured again."
    device = f", {v.versions['device']}" if "device" in v.versions else ""
    conditions = f"{signal}{len(v.seeds)} seeds, {v.date}, torch {v.versions['torch']}{device}.{older}"
    return "\n".join([*lines, "", conditions, ""])


def testbeds(systems: list[System]) -> str:
    beds = {c.bed.name: c.bed for s in systems for c in s.claims if c.bed is not None}
    lines = ["## Testbeds", "", *(f"- **{name}**: {beds[name].about}." for name in sorted(beds)), ""]
    return "\n".join(lines)


def counted(rows: list[tuple[System, Verdict | None]]) -> str:
    said = Counter(o.verdict for _, v in rows if v for o in v.outcomes)
    main = Counter(v.outcomes[0].verdict for _, v in rows if v)
    waiting = sum(bool(s.claims) and v is None for s, v in rows)
    told = "; ".join(f"{said[verdict]} {verdict} ({main[verdict]} of main claims)" for verdict in sorted(said))
    return f"{sum(said.values())} claims measured: {told}. Systems still to be measured: {waiting}.\n\n"


def page() -> str:
    rows = [(s, load(s.slug)) for s in every()]
    beds = testbeds([s for s, _ in rows])
    return HEAD + counted(rows) + overview(rows) + "\n\n" + beds + "\n" + "\n".join(section(s, v) for s, v in rows)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(page(), "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page():
        sys.exit("docs/systems.md is not current; run: python scripts/systems_page.py")
