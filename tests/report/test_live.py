import io
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from counterpoint.report import TrainingView
from counterpoint.report.live import sparkline


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)


def view(terminal=False, total=1000, clock=None, **options):
    console = Console(file=io.StringIO(), force_terminal=terminal, force_interactive=terminal, width=100)
    return TrainingView(total, console=console, clock=clock or Clock(), metric="MRR@10", dim=384, **options)


def lines(view):
    return view.console.file.getvalue().splitlines()


ROW = {
    "epoch": 2.5,
    "loss": 0.412,
    "ln_batch": math.log(2048),
    "alignment": 0.41,
    "uniformity": -2.91,
    "effective_rank": 188.2,
    "items_per_second": 1980.0,
}


def test_a_line_says_it_all():
    clock = Clock()
    with view(clock=clock) as shown:
        clock.now = 30.0
        shown.update({"step": 250, **ROW, "dev": 0.561})
    assert lines(shown) == [
        "step 250/1,000  epoch 2.5  loss 0.412 (knows nothing: 7.625)  alignment 0.41  uniformity −2.91  "
        "effective rank 188 of 384  items/s 1,980  MRR@10 0.561 (best 0.561 at step 250)  1:30 left"
    ]


def test_a_resumed_run_knows_its_pace():
    clock = Clock()
    with view(clock=clock, start_step=900) as shown:
        clock.now = 10.0
        shown.update({"step": 950, "loss": 1.0})
    assert lines(shown)[0].endswith("0:10 left")


def test_an_hour_takes_few_lines():
    clock = Clock()
    with view(clock=clock, total=36_000) as shown:
        for step in range(1, 36_001):
            clock.now = step / 10
            shown.update({"step": step, **ROW})
    steps = [int(line.split("/")[0].removeprefix("step ").replace(",", "")) for line in lines(shown)]
    assert steps[0] == 1
    assert steps[-1] == 36_000
    assert 30 < len(steps) < 80
    assert min(b - a for a, b in itertools.pairwise(steps[:-1])) >= 50  # 5 seconds


def test_ci_gets_lines_even_where_it_says_it_is_a_terminal(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with view(terminal=True) as shown:
        shown.update({"step": 1, "loss": 1.0})
        shown.update({"step": 2, "loss": 1.0})
    assert len(lines(shown)) == 1


def test_the_best_dev_figure_stays():
    with view() as shown:
        for step, dev in ((1, 0.5), (2, 0.7), (3, math.nan), (4, 0.6)):
            shown.update({"step": step, "loss": 1.0, "dev": dev})
            shown.update({"step": step, "loss": 1.0, "dev": None})
    assert "MRR@10 not finite (best 0.700 at step 2)" in lines(shown)[2]
    assert "MRR@10 0.600 (best 0.700 at step 2)" in lines(shown)[3]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_warning_is_printed_at_once_and_once(terminal):
    with view(terminal) as shown:
        for _ in range(3):
            shown.warn("The embeddings [collapse]: effective rank 1.")
        text = shown.console.file.getvalue()
        assert text.count("Warning: The embeddings [collapse]: effective rank 1.") == 1
        assert "33mTraining" not in text  # the colour of the warning is not that of the view


def test_the_terminal_shows_bar_and_figures():
    clock = Clock()
    shown = view(terminal=True, clock=clock)
    clock.now = 30.0
    shown.update({"step": 500, **ROW, "loss": 2.0})
    shown.update({"step": 600, **ROW, "loss": 1.0})
    shown.console.print(shown.render())
    text = shown.console.file.getvalue()
    for part in ("600/1,000", "0:20 left", "knows nothing: 7.625", "█▁", "188 of 384", "1,980"):
        assert part in text


def test_the_view_opens_and_closes_even_on_an_error():
    shown = view(terminal=True)
    with pytest.raises(KeyError), shown:
        shown.update({"loss": 1.0})
    assert shown.console.file.getvalue().endswith("\x1b[?25h")  # the cursor is back


def test_a_loss_that_is_not_finite_is_said():
    with view() as shown:
        shown.update({"step": 1, "loss": math.nan})
        assert "loss not finite" in lines(shown)[0]
        shown.render()


@given(st.lists(st.floats(-1e6, 1e6), max_size=200), st.integers(1, 40))
def test_a_sparkline_has_its_width_and_its_extremes(values, width):
    line = sparkline(values, width)
    assert len(line) == min(width, len(values))
    if 1 < len(values) <= width and max(values) > min(values):
        assert line[values.index(max(values))] == "█"
        assert line[values.index(min(values))] == "▁"
