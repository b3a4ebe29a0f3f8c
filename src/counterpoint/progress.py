"""A bar with rate and time left for what takes long, or whoever asked is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Progress = Callable[[int, int | None], None]
"""Called with how much is done, and of how much if it is known."""


@contextlib.contextmanager
def reporting(
    progress: bool | Progress, total: int | None, doing: str = "encoding", unit: str = "texts"
) -> Iterator[Callable[[int], None]]:
    """A function to call with how much was just done.

    Args:
        progress: True for a bar on standard error; a function that is called with (done, total); False: nothing.
        total: How much there is, if it is known.
        doing: What stands before the bar.
        unit: Of the rate.

    Examples:
        >>> with reporting(lambda done, total: print(done, "of", total), 5) as report:
        ...     report(2)
        ...     report(3)
        2 of 5
        5 of 5
    """
    if progress is False:
        yield lambda _: None
        return
    if callable(progress):
        done = 0

        def report(n: int) -> None:
            nonlocal done
            done += n
            progress(done, total)

        yield report
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, rate="")

        def advance(n: int) -> None:
            bar.advance(task, n)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "")

        yield advance
