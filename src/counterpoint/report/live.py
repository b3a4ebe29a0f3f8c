"""What training shows while it runs: a live view on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from counterpoint.report.wording import number

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

BARS = "▁▂▃▄▅▆▇█"


class TrainingView:
    """A context manager that shows the rows of training as they come.

    On a terminal (and not in CI): a progress bar with the time left, and below it the loss beside ln(batch),
    alignment, uniformity, effective rank, items a second, the dev metric and its best so far. Elsewhere a line: for
    the first row, the last, each with a dev figure, and otherwise when 5 seconds, or a tenth of the time so far if
    that is more, have passed since the last line, so that an hour takes some 60 lines. A warning is printed at once,
    each one once.

    Args:
        total_steps: The step at which training ends, 1 or more.
        metric: The name of the dev metric.
        dim: The number of dimensions, shown beside the effective rank.
        start_step: The step from which this process goes on (a resumed run), so that the time left is right.
        console: Where to show it; standard error if not given.
        clock: Seconds that only grow.

    Examples:
        >>> from rich.console import Console
        >>> import sys
        >>> with TrainingView(2, console=Console(file=sys.stdout, width=200), clock=lambda: 0.0) as view:
        ...     view.update({"step": 1, "loss": 5.4, "ln_batch": 6.931})
        ...     view.update({"step": 2, "loss": 4.9, "ln_batch": 6.931, "dev": 0.52})
        step 1/2  loss 5.400 (knows nothing: 6.931)
        step 2/2  loss 4.900 (knows nothing: 6.931)  dev 0.520 (best 0.520 at step 2)
    """

    def __init__(
        self,
        total_steps: int,
        *,
        metric: str = "dev",
        dim: int | None = None,
        start_step: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self.total_steps, self.metric, self.dim, self.clock = total_steps, metric, dim, clock
        self.console = Console(stderr=True) if console is None else console
        self._row: dict[str, float] = {}
        self._losses: list[float] = []
        self._best: tuple[float, int] | None = None
        self._warned: set[str] = set()
        self._start_step, self._began = start_step, clock()
        self._printed = float("-inf")
        self._live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4)
        self._lively = self.console.is_interactive and "CI" not in os.environ

    def __enter__(self) -> TrainingView:
        self._began = self.clock()
        if self._lively:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lively:
            self._live.stop()

    def update(self, row: Mapping[str, float | None]) -> None:
        """Show a row: `step` and what is known of the rest (see `content.Row`); what it lacks stays as it was."""
        now = self.clock()
        known = {name: value for name, value in row.items() if value is not None}
        step = int(known["step"])
        self._row |= known
        if math.isfinite(known.get("loss", math.nan)):
            self._losses.append(known["loss"])
        if math.isfinite(known.get("dev", math.nan)) and (self._best is None or known["dev"] > self._best[0]):
            self._best = (known["dev"], step)
        due = now - self._printed >= max(5.0, (now - self._began) / 10)
        if not self._lively and (due or "dev" in known or step >= self.total_steps):
            self._printed = now
            self.console.print(self.line(), highlight=False, markup=False, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        """Print a warning at once, above the live view; the same one is printed once."""
        from rich.text import Text

        if sentence not in self._warned:
            self._warned.add(sentence)
            self.console.print(Text(f"Warning: {sentence}", style="bold yellow"), soft_wrap=True)

    def line(self) -> str:
        """The latest row in one line of text."""
        head = f"step {int(self._row['step']):,}/{self.total_steps:,}"
        left = self._left()
        tail = [f"{_clock(left)} left"] if left else []
        return "  ".join([head, *(f"{name} {value}" for name, value in self._figures()), *tail])

    def render(self) -> RenderableType:
        """The live view of the latest row, for a terminal."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        step = int(self._row.get("step", 0))
        left = self._left()
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        state = f"{step:,}/{self.total_steps:,}" + ("" if left is None else f"  {_clock(left)} left")
        bar.add_row("Training", ProgressBar(total=self.total_steps, completed=step), state)
        figures = Table.grid(padding=(0, 2))
        for name, value in self._figures():
            figures.add_row(Text(name, style="dim"), Text(value))
        return Group(bar, figures)

    def _figures(self) -> list[tuple[str, str]]:
        """What is known so far, as names and texts, in the order to show."""
        row, texts = self._row, {}
        if "epoch" in row:
            texts["epoch"] = number(row["epoch"], 1)
        if "loss" in row:
            texts["loss"] = number(row["loss"])
            if "ln_batch" in row:
                texts["loss"] += f" (knows nothing: {number(row['ln_batch'])})"
            if self._lively and self.console.encoding.startswith("utf"):
                texts["loss"] += f"  {sparkline(self._losses)}"
        for name, digits in (("alignment", 2), ("uniformity", 2), ("effective_rank", 0), ("mean_cosine", 2)):
            if name in row:
                texts[name.replace("_", " ")] = number(row[name], digits)
        if "effective_rank" in row and self.dim:
            texts["effective rank"] += f" of {self.dim:,}"
        if "items_per_second" in row:
            texts["items/s"] = number(row["items_per_second"], 0)
        if "dev" in row:
            texts[self.metric] = number(row["dev"])
            if self._best is not None:
                texts[self.metric] += f" (best {number(self._best[0])} at step {self._best[1]:,})"
        return list(texts.items())

    def _left(self) -> float | None:
        """Seconds to the end at the pace so far; None before there is a pace."""
        step = self._row.get("step", 0)
        done, elapsed = step - self._start_step, self.clock() - self._began
        return elapsed / done * (self.total_steps - step) if done > 0 and elapsed > 0 else None


def sparkline(values: list[float], width: int = 24) -> str:
    """The values as a row of at most `width` bars between their least and greatest, each the mean of its share.

    Examples:
        >>> sparkline([8, 4, 2, 1], width=4), sparkline([1, 1]), sparkline([])
        ('█▄▂▁', '▁▁', '')
    """
    count = min(width, len(values))
    cuts = [i * len(values) // count for i in range(count)] + [len(values)] if count else []
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(cuts)]
    low, high = (min(means), max(means)) if means else (0.0, 0.0)
    return "".join(BARS[round((m - low) / ((high - low) or 1.0) * (len(BARS) - 1))] for m in means)


def _clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss under an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
