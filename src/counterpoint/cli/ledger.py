"""`counterpoint systems`, `run` and `verify`: the ledger of published systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import Json
from counterpoint.errors import InputError
from counterpoint.files import check_output

if TYPE_CHECKING:
    from rich.table import Table

    from counterpoint.systems import System, Verdict

_LEFT = ("encoder.safetensors", "model")
"""What systems leave on included data."""
_STYLES = {"reproduced": "green", "not reproduced at this scale": "yellow", "contradicted": "red"}
_STYLES |= {"this set-up cannot tell": "magenta"}


def systems(as_json: Json = False) -> None:
    """List the published systems that are implemented here, and what their claims came to.

    Example: counterpoint systems
    """
    from rich.console import Console
    from rich.table import Table

    from counterpoint.systems import every
    from counterpoint.systems.measuring import current, entry, load

    rows = [(s, load(s.slug)) for s in every()]
    if as_json:
        typer.echo(json.dumps([entry(s, v) for s, v in rows], indent=2, ensure_ascii=False))
        return
    table = Table(title=f"{len(rows)} systems")
    # names are typed again, so they stand whole
    table.add_column("system", no_wrap=True, min_width=max(len(s.name) for s, _ in rows))
    for name in ("year", "family", "paper", "claim", "verdict"):
        table.add_column(name)
    for s, v in rows:
        if not s.claims:
            table.add_row(s.name, str(s.year), s.family, s.title, "", "nothing to measure", end_section=True)
        for i, claim in enumerate(s.claims):
            verdict = "never measured"
            if v is not None:
                verdict = v.outcomes[i].verdict + ("" if current(s, v) else " (of older code)")
            first = (s.name, str(s.year), s.family, s.title) if i == 0 else ("", "", "", "")
            table.add_row(*first, claim.text, verdict, end_section=i == len(s.claims) - 1)
    Console().print(table)


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
    figures = system.run(system.config(), data, folder, lambda s: errors.print(s, soft_wrap=True))
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
        verdict = measure(system, seeds=range(seeds), say=lambda s: errors.print(s, soft_wrap=True))
        save(verdict, system.slug, folder)
        done.append(entry(system, verdict))
        if not as_json:
            Console().print(verdict_table(system, verdict))
    if as_json:
        typer.echo(json.dumps(done, indent=2, ensure_ascii=False))


def verdict_table(system: System, verdict: Verdict) -> Table:
    """A verdict as people read it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "claim", "metric", "system", "baseline", "difference", "verdict",
        title=f"{system.name}: {system.title} ({system.year})",
        caption=f"{len(verdict.seeds)} seeds, {verdict.seconds:.0f} s, {verdict.date}. {system.setup}",
    )  # fmt: skip
    for o in verdict.outcomes:
        low, high = o.interval
        table.add_row(
            o.text,
            f"{o.metric} ({o.better} is better)",
            f"{o.system_value:.4g}",
            f"{o.baseline_value:.4g}\n{o.baseline}",
            f"{o.value:+.4g}\n[{low:+.4g}, {high:+.4g}]".replace("[", "\\["),
            Text(o.verdict + f": {o.reason}" * bool(o.reason), style=_STYLES[o.verdict]),
        )
    for name, value in verdict.figures.items():
        table.add_row("", name, f"{value:.4g}", "", "", "")
    return table
