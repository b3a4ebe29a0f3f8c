"""The table that a run ends with on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoint.report.content import Content, Figure, Group
from counterpoint.report.plots import metrics
from counterpoint.report.wording import (
    BETTER,
    WORSE,
    clip,
    decimals,
    grouped,
    interval,
    judge,
    lower,
    number,
    primary,
    rival,
    verdict,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_COLUMNS = 4  # more are too wide for 80 characters
STYLES = {BETTER: "green", WORSE: "red"}


def print_figures(content: Content, console: Console) -> None:
    """The tables, and as wide as the terminal what stands below them: a table of one column is narrow."""
    table = terminal_table(content)
    below, table.caption = table.caption, None
    console.print(table)
    for column, groups in grouped(content).items():
        console.print(group_table(content, column, groups))
    if below is not None:
        console.print(below, soft_wrap=False)


def terminal_table(content: Content) -> Table:
    """The systems' figures with their intervals, and below them notes, the primary paired differences and the verdict.

    A row is a system; where there are many metrics, and fewer systems, a metric.

    Examples:
        >>> from counterpoint.report.content import Data, Figure, Model, System
        >>> systems = (System("BM25", {"MRR@10": Figure(0.578)}), System("trained", {"MRR@10": Figure(0.604)}))
        >>> terminal_table(Content("demo", "MRR@10", Model("trained"), Data("a.tsv"), systems)).row_count
        2
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = metrics(content)
    table = Table(box=box.SIMPLE_HEAD, title=Text(content.title), title_justify="left", caption_justify="left")
    less = lower(content)
    called = {name: f"{name} (less is better)" if name in less else name for name in names}
    turned = len(names) > _COLUMNS >= len(content.systems)
    rows, columns = [s.name for s in content.systems], list(called.values())
    if turned:
        rows, columns = columns, rows
    # where it is narrow, an interval goes on two lines rather than a name to its first letters
    table.add_column("", min_width=min(max(map(len, rows), default=0), 16))
    for name in columns:
        own = turned and name == content.model.name
        table.add_column(Text(clip(name, 40)), justify="right", min_width=11, style="bold" if own else None)
    cells = [[_cell(system.figures.get(name)) for name in names] for system in content.systems]
    for row, line in zip(rows, zip(*cells, strict=True) if turned else cells, strict=True):
        table.add_row(Text(clip(row, 40)), *line, style="bold" if row == content.model.name and not turned else None)
    caption = Text(style="not italic not dim")
    for note in content.notes:
        caption.append(f"{note[0].upper()}{note[1:]}\n", style="dim")
    for d in primary(content):
        caption.append(f"{d.a} against {d.b}: {d.metric} {number(d.value, decimals(d), sign=True)}")
        caption.append(f" ({interval(d)}), " if interval(d) else ", ", style="dim")
        caption.append(f"{judge(d)}\n", style=STYLES.get(judge(d), "yellow"))
    word, sentence = verdict(content)
    caption.append(f"{word}. {sentence}", style="bold")
    table.caption = caption
    return table


def group_table(content: Content, column: str, groups: list[Group]) -> Table:
    """The primary metric of each group of items, of the main baseline, the model and what it is combined with.

    Examples:
        >>> from counterpoint.report.content import Data, Model, System
        >>> systems = (System("BM25", {"MRR@10": Figure(0.578)}), System("trained", {"MRR@10": Figure(0.604)}))
        >>> content = Content("demo", "MRR@10", Model("trained"), Data("a.tsv"), systems)
        >>> group_table(content, "language", [Group("language", "Italian", systems)]).row_count
        1
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = [system.name for system in content.systems]
    shown = [names[0], *names[max(1, names.index(content.model.name)) :]]
    title = Text(f"{content.metric} by {column}")
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for name in shown:
        table.add_column(Text(clip(name, 40)), justify="right", min_width=11)
    table.add_column(Text(f"{content.model.name} − {names[0]}"), justify="right")
    for group in groups:
        figures = {system.name: system.figures.get(content.metric) for system in group.systems}
        n = next((f.n for f in figures.values() if f is not None and f.n), None)
        difference = rival(group)
        said = Text()
        if difference is not None:
            said.append(number(difference.value, decimals(difference), sign=True))
            said.append(f"\n{interval(difference)}", style="dim")
            said.stylize(STYLES.get(judge(difference), "yellow"))
        table.add_row(
            Text(clip(group.name, 24)).append("" if n is None else f"\nn = {n:,}", style="dim"),
            *(_cell(figures.get(name)) for name in shown),
            said,
            end_section=group is groups[max(0, len(groups) - 2)],
        )
    return table


def _cell(figure: Figure | None) -> Text:
    """A figure above its interval."""
    from rich.text import Text

    cell = Text() if figure is None else Text(number(figure.value, decimals(figure)))
    if figure is not None and interval(figure):
        # shorter than in words, so that names have room; a minus and a dash are hard to tell apart
        said = interval(figure)
        cell.append("\n" + (said if "−" in said else said.replace(" to ", "–")), style="dim")
    return cell
