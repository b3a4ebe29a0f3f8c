"""`counterpoint systems`, `run` and `verify`: the ledger of published systems."""

from __future__ import annotations

import json
import math
import os
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

_LEFT = ("model",)
"""What systems leave on included data."""
_MARKS = {
    "reproduced": ("✓", "green"),
    "not reproduced at this scale": ("~", "yellow"),
    "contradicted": ("✗", "red"),
    "this set-up cannot tell": ("?", "magenta"),
    "never measured": ("·", "dim"),
}
_OLDER = "*"
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The folder of the testbeds' data; else what COUNTERPOINT_DATA says.")
]


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
    from counterpoint.systems.registry import ARMS

    console.print(Text(f"{system.name} ({system.year}, {system.family})", style="bold"))
    console.print(Text(system.title, style="italic"))
    for i, claim in enumerate(system.claims):
        # a verdict of older code may know fewer claims
        o = verdict.outcomes[i] if verdict is not None and i < len(verdict.outcomes) else None
        said = "never measured" if o is None else o.verdict
        reason = f", {o.reason}" if o is not None and o.reason else ""
        console.print(Text.assemble("\n", _MARKS[said], f" {claim.text}: ", (said, _MARKS[said][1]), reason))
        where = "" if claim.bed is None else f", {claim.bed.name}"
        console.print(Padding(Text(f"{claim.metric} ({claim.better} is better){where}"), (0, 0, 0, 2)))
        if o is not None:
            low, high = o.interval
            said = "  ".join(f"{arm} {o.mean(arm):.4g}" for arm in ARMS if arm in o.values)
            console.print(Padding(Text(said), (0, 0, 0, 2)))
            told = f"against {o.baseline}: {o.value:+.4g} ({low:+.4g} to {high:+.4g})"
            console.print(Padding(Text(told), (0, 0, 0, 2)))
    about = {"set-up": system.setup}
    if verdict is not None:
        about["signal"] = _signal(verdict)
        older = "" if current(system, verdict) else "; the code has changed since"
        about["measured"] = f"{len(verdict.seeds)} seeds, {verdict.date}{older}"
    about["variants"] = ", ".join(sorted(system.variants))
    about["run"] = f"counterpoint run {system.slug}"
    about["measure"] = f"counterpoint verify {system.slug}" if system.claims else ""
    about["mechanism"] = system.mechanism
    console.print()
    console.print(_facts(about))


def _signal(verdict: Verdict) -> str:
    """What the mechanism moves, with it and without."""
    if not verdict.signal:
        return ""
    means = {arm: sum(verdict.signal[arm]) / len(verdict.signal[arm]) for arm in ("system", "off")}
    return f"{verdict.signal['name']} {means['system']:.4g}, without the mechanism {means['off']:.4g}"


def _find_data(folder: Path | None) -> None:
    """Where testbeds find their data, in the processes that are started from here, too."""
    from counterpoint.testbeds.files import VARIABLE

    if folder is not None:
        if not folder.is_dir():
            raise InputError("is no folder", file=folder, fix="give the folder of the data")
        os.environ[VARIABLE] = str(folder)


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
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Run a published system on small included data, in about a minute, or on your own.

    Example: counterpoint run simclr
    """
    from rich.console import Console
    from rich.table import Table

    from counterpoint.fitting.run import RUN_FILES
    from counterpoint.systems import get
    from counterpoint.systems import run as train

    _find_data(data_dir)
    system = get(name)
    folder = check_output(output or Path("runs") / system.slug, ours=(*RUN_FILES, *_LEFT), source=data)
    errors = Console(stderr=True, highlight=False, markup=False)
    figures = train(system, folder, source=data, say=lambda s: errors.print(s, soft_wrap=True))
    if as_json:
        told = {figure: value if math.isfinite(value) else None for figure, value in figures.items()}
        typer.echo(json.dumps({"system": system.name, "figures": told}))
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
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes side by side.")] = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where verdicts are kept; else with the code.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where each arm's figures are kept; else in your cache folder.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure what a paper claims on a testbed, and keep the verdict.

    Raw input, the untrained start, the baseline, the mechanism off, the system and a ceiling are measured with the same
    budget. The rule: the 95% t-interval over seeds of the paired difference of system and baseline lies on the paper's
    side of 0 (reproduced), on the other (contradicted), or on both (not reproduced at this scale); where the set-up
    cannot tell, it says why. An arm that several systems share is trained once; killed at any time, the same command
    goes on.

    Example: counterpoint verify gradcache
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from counterpoint.systems import every, get
    from counterpoint.systems import verify as measure
    from counterpoint.systems.measuring import FOLDER, current, entry, load, save

    _find_data(data_dir)
    folder = check_output(output or FOLDER)
    # a variant's name is one of its system, which has the claims
    chosen = [get(get(name).slug) for name in names or ()]
    if every_one or stale:
        chosen = [s for s in every() if s.claims]
    if stale:
        kept = [(s, load(s.slug, folder)) for s in chosen]
        chosen = [s for s, v in kept if v is None or not current(s, v)]
    elif not chosen:
        raise InputError("which systems?", fix="name some of `counterpoint systems`, or give --all")
    errors = Console(stderr=True, highlight=False, markup=False)
    systems = list({s.slug: s for s in chosen}.values())
    doing = TextColumn("{task.description}")
    columns = (doing, BarColumn(), MofNCompleteColumn(), TextColumn("arms, left"), TimeRemainingColumn())
    done: dict[str, Verdict] = {}
    failed: dict[str, InputError] = {}
    with Progress(*columns, console=errors, transient=True) as bar:
        for number, system in enumerate(systems, 1):
            task = bar.add_task(f"{system.name}, {number} of {len(systems)}", total=None)

            def tell(some: int, all_of_them: int, task: TaskID = task) -> None:
                bar.update(task, completed=some, total=all_of_them)

            # one after the other, so that a verdict is kept as soon as it is known
            verdicts, lacking = measure(
                [system], seeds=range(seeds), folder=cache, parallel=jobs, say=errors.print, on_done=tell
            )
            bar.remove_task(task)
            done, failed = done | verdicts, failed | lacking
            for slug, verdict in verdicts.items():
                save(verdict, slug, folder)
                if not as_json:
                    print_system(get(slug), verdict, Console(highlight=False))
    if as_json:
        told = [entry(get(slug), verdict) for slug, verdict in done.items()]
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    if failed:
        reasons: dict[tuple[str, str], list[str]] = {}
        for slug, error in failed.items():
            what = f"{error.file} {error.what}" if error.file else error.what
            reasons.setdefault((what, error.fix), []).append(slug)
        unmeasured = [f"{', '.join(slugs)}: not measured, {what}" for (what, _), slugs in reasons.items()]
        fixes = dict.fromkeys(fix for _, fix in reasons if fix)
        raise InputError("; ".join(unmeasured), fix="; ".join(fixes))
