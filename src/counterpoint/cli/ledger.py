"""`counterpoint systems`, `run` and `verify`: the ledger of published systems."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import Json
from counterpoint.errors import InputError
from counterpoint.files import check_output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from counterpoint.systems import System, Verdict

_LEFT = ("encoder.safetensors", "model")
"""What systems leave on included data."""
_MARKS = {
    "reproduced": ("✓", "green"),
    "not reproduced at this scale": ("~", "yellow"),
    "contradicted": ("✗", "red"),
    "this set-up cannot tell": ("?", "magenta"),
    "never measured": ("·", "dim"),
}
_OLDER = "*"


def systems(
    name: Annotated[str | None, typer.Argument(help="One of them, for all that is known of it.")] = None,
    as_json: Json = False,
) -> None:
    """List the published systems that are implemented here, and what their claims came to; or tell of one.

    Example: counterpoint systems simclr
    """
    from rich.console import Console

    from counterpoint.systems import every, get
    from counterpoint.systems.measuring import entry, load

    rows = [(s, load(s.slug)) for s in (every() if name is None else [get(name)])]
    if as_json:
        told = [entry(s, v) for s, v in rows]
        typer.echo(json.dumps(told if name is None else told[0], indent=2, ensure_ascii=False))
    elif name is None:
        print_systems(rows, Console(highlight=False))
    else:
        print_system(*rows[0], Console(highlight=False))


def print_systems(rows: list[tuple[System, Verdict | None]], console: Console) -> None:
    """A line for each system, with a mark for each claim; below them how many there are, and what the marks say."""
    from rich.table import Table
    from rich.text import Text

    from counterpoint.systems.measuring import current

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    # names are typed again, so they stand whole; what is left of the line is the paper's
    for column, widest in (
        ("system", max(len(s.name) for s, _ in rows)),
        ("year", 4),
        ("family", max(len(s.family) for s, _ in rows)),
        ("claims", max(len(s.claims) for s, _ in rows) + 1),
    ):
        table.add_column(column, no_wrap=True, width=max(widest, len(column)))
    table.add_column("paper", no_wrap=True, ratio=1)
    said: Counter[str] = Counter()
    for s, v in rows:
        verdicts = [o.verdict for o in v.outcomes] if v is not None else ["never measured"] * len(s.claims)
        said.update(verdicts)
        marks = Text.assemble(*(_MARKS[verdict] for verdict in verdicts))
        if v is not None and not current(s, v):
            said[_OLDER] += 1
            marks.append(_OLDER)
        table.add_row(s.name, str(s.year), s.family, marks, Text(s.title, style="dim"))
    console.print(table)
    claims = sum(len(s.claims) for s, _ in rows)
    console.print(f"\n{len(rows)} systems, {claims} claims; a mark for each claim, the main one first:")
    for verdict, mark in _MARKS.items():
        if said[verdict]:
            console.print(Text.assemble(mark, f" {said[verdict]:3} {verdict}"))
    if said[_OLDER]:
        console.print(f"{_OLDER} {said[_OLDER]:3} measured with older code")
    console.print("counterpoint systems NAME tells of one.")


def print_system(system: System, verdict: Verdict | None, console: Console) -> None:
    """A system as people read it: its paper, its claims with their figures, the set-up, how to run it."""
    from rich.padding import Padding
    from rich.text import Text

    from counterpoint.systems.measuring import current

    console.print(Text(f"{system.name} ({system.year}, {system.family})", style="bold"))
    console.print(Text(system.title, style="italic"))
    for i, claim in enumerate(system.claims):
        said = "never measured" if verdict is None else verdict.outcomes[i].verdict
        reason = "" if verdict is None or not verdict.outcomes[i].reason else f", {verdict.outcomes[i].reason}"
        console.print(Text.assemble("\n", _MARKS[said], f" {claim.text}: ", (said, _MARKS[said][1]), reason))
        figures = f"{claim.metric} ({claim.better} is better)"
        if verdict is not None:
            o, (low, high) = verdict.outcomes[i], verdict.outcomes[i].interval
            figures += f": {o.system_value:.4g}, {o.baseline} {o.baseline_value:.4g}, "
            figures += f"difference {o.value:+.4g} ({low:+.4g} to {high:+.4g})"
        console.print(Padding(Text(figures), (0, 0, 0, 2)))
    about = {"set-up": system.setup}
    if verdict is not None:
        about["also measured"] = "; ".join(f"{name} {value:.4g}" for name, value in verdict.figures.items())
        older = "" if current(system, verdict) else "; the code has changed since"
        about["measured"] = f"{len(verdict.seeds)} seeds, {verdict.seconds:.0f} s, {verdict.date}{older}"
    about["variants"] = ", ".join(sorted(system.variants))
    about["run"] = f"counterpoint run {system.slug}"
    about["measure"] = f"counterpoint verify {system.slug}" if system.claims else ""
    about["mechanism"] = system.mechanism
    console.print()
    console.print(_facts(about))


def _facts(about: dict[str, str]) -> Table:
    """Names and what they are, without those that are nothing."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, what in about.items():
        if what:
            table.add_row(name, Text(what))
    return table


def run_system(
    name: Annotated[str, typer.Argument(help="A system of `counterpoint systems`.")],
    data: Annotated[str | None, typer.Argument(help="Your data; small included data if not given.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where what it makes is left.")] = None,
    as_json: Json = False,
) -> None:
    """Run a published system on small included data, in about a minute, or on your own.

    Example: counterpoint run simclr
    """
    from rich.console import Console
    from rich.table import Table

    from counterpoint.fitting.run import RUN_FILES
    from counterpoint.systems import get

    system = get(name)
    folder = check_output(output or Path("runs") / system.slug, ours=(*RUN_FILES, *_LEFT), source=data)
    errors = Console(stderr=True, highlight=False, markup=False)
    figures = system.run(system.method(), data, folder, lambda s: errors.print(s, soft_wrap=True))
    if as_json:
        typer.echo(json.dumps({"system": system.name, "figures": dict(figures)}))
        return
    table = Table("figure", "value", title=f"{system.name}: {system.title} ({system.year})")
    for figure, value in figures.items():
        table.add_row(figure, f"{value:.4f}")
    Console().print(table)


def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Systems of `counterpoint systems`.")] = None,
    every_one: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    stale: Annotated[
        bool, typer.Option("--stale", help="Those never measured, or whose code has changed since.")
    ] = False,
    carry: Annotated[
        bool, typer.Option("--carry", help="Keep verdicts whose code only moved: one seed must come to the same.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=2, help="Measurements of each.")] = 5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where verdicts are kept; else with the code.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what a paper claims, against its baseline at the same budget, and keep the verdict.

    The rule: the 95% t-interval over seeds of the paired difference lies on the paper's side of 0 (reproduced), on the
    other (contradicted), or on both (not reproduced at this scale).

    Example: counterpoint verify gradcache
    """
    from rich.console import Console

    from counterpoint.systems import every, get
    from counterpoint.systems import verify as measure
    from counterpoint.systems.measuring import FOLDER, current, entry, load, save
    from counterpoint.systems.measuring import carry as carried

    folder = check_output(output or FOLDER)
    chosen = [get(name) for name in names or ()]
    if every_one or stale:
        chosen = [s for s in every() if s.claims]
    if stale:
        kept = [(s, load(s.slug, folder)) for s in chosen]
        chosen = [s for s, v in kept if v is None or not current(s, v)]
    elif not chosen:
        raise InputError("which systems?", fix="name some of `counterpoint systems`, or give --all")
    errors = Console(stderr=True, highlight=False, markup=False)
    done = []
    for system in {s.slug: s for s in chosen}.values():
        if carry:
            kept_one = load(system.slug, folder)
            if kept_one is None or current(system, kept_one):
                continue
            moved = carried(system, kept_one)
            errors.print(f"{system.name}: {'the same' if moved else 'not the same, must be measured again'}")
            if moved:
                save(moved, system.slug, folder)
            continue
        verdict = measure(system, seeds=range(seeds), say=lambda s: errors.print(s, soft_wrap=True))
        save(verdict, system.slug, folder)
        done.append(entry(system, verdict))
        if not as_json:
            print_system(system, verdict, Console(highlight=False))
    if as_json:
        typer.echo(json.dumps(done, indent=2, ensure_ascii=False))
