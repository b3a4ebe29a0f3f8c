"""Write docs/systems.md from the registry and the verdicts; with --check, say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from counterpoint.systems import System, Verdict, every
from counterpoint.systems.measuring import current, load

PAGE = Path(__file__).parents[1] / "docs" / "systems.md"
HEAD = """# Systems

<!-- Written by scripts/systems_page.py from the registry and the kept verdicts; do not edit. -->

Every published system that is implemented here. `counterpoint run NAME` runs one, on small included data or on your own
file; `counterpoint verify NAME` measures what its paper claims and keeps the verdict.

**How a verdict is reached**, the same for every claim and fixed before any was measured: system and baseline are
measured with several seeds on the same data and budget; the 95% interval (Student's t over the seeds) of their paired
difference lies on the paper's side of 0: *reproduced*; on the other: *contradicted*; on both: *not reproduced at this
scale*. Where training ended in a collapse there is no verdict: *this set-up cannot tell*. The set-ups are small: a
verdict is about this scale, and the interval about the seeds (start, order, split or sample), not about other data.

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
    lines += [
        "| claim | metric | system | baseline | difference (95% interval) | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for o in v.outcomes:
        low, high = map(number, o.interval)
        verdict = f"**{o.verdict}**" + f": {o.reason}" * bool(o.reason)
        lines.append(
            f"| {o.text} | {o.metric}, {o.better} is better | {number(o.system_value)} | {number(o.baseline_value)} "
            f"({o.baseline}) | {number(o.value)} ({low} to {high}) | {verdict} |"
        )
    figures = "; ".join(f"{name}: {number(value)}" for name, value in v.figures.items())
    older = "" if current(s, v) else " **Measured with older code**: it is to be measured again."
    conditions = f"{len(v.seeds)} seeds, {v.date}, torch {v.versions['torch']}.{older}"
    return "\n".join([*lines, "", *([f"Also: {figures}.", ""] if figures else []), conditions, ""])


def page() -> str:
    rows = [(s, load(s.slug)) for s in every()]
    return HEAD + overview(rows) + "\n\n" + "\n".join(section(s, v) for s, v in rows)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(page(), "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page():
        sys.exit("docs/systems.md is not current; run: python scripts/systems_page.py")
