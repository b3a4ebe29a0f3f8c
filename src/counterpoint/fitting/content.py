"""From what was measured to what the report says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from counterpoint import evaluate, report
from counterpoint.data import Retrieval
from counterpoint.fitting.parts import Parts
from counterpoint.methods import Recipe
from counterpoint.tasks import Find, Measured, Task, on_new
from counterpoint.training import TrainResult


def content_of(
    parts: Parts,
    recipe: Recipe,
    encoder: Any,
    task: Task,
    measured: Sequence[Measured],
    each: tuple[report.Group, ...],
    before: Measured,
    after: Measured,
    result: TrainResult,
    output: Path,
    index: bool,
    base: str,
    notes: tuple[str, ...],
    facts: dict[str, Any],
) -> report.Content:
    """The report's content."""
    settings = {name: _plain(value) for name, value in vars(recipe.stages[-1].train).items()}
    model = output / "model"
    some = "a query"
    commands = [
        report.Command("encode texts", f"counterpoint encode texts.txt --model {model} --output vectors.npy"),
    ]
    if index:
        commands.insert(0, report.Command("search", f"counterpoint search {output / 'index'} '{some}'"))
    return report.Content(
        title=Path(parts.about.source).name,
        metric=task.metric,
        model=report.Model(
            name=after.name,
            kind=type(encoder).__name__,
            base=base,
            objective=recipe.name,
            dim=encoder.dim,
            max_length=getattr(encoder, "max_seq_length", None),
            prompts=dict(getattr(encoder, "prompts", {})),
        ),
        data=report.Data(
            source=parts.about.source,
            schema=parts.about.schema,
            columns=dict(parts.about.columns),
            splits=parts.sizes,
            rejected=parts.about.rejected,
            rejected_file=str(output / "rejected.jsonl") if parts.about.rejected else "",
            notes=parts.about.notes,
        ),
        systems=tuple(system(m, task.lower) for m in measured),
        differences=tuple(_differences(task, measured, before, after)),
        groups=tuple(_groups(parts.test.columns, task, measured, after)) if isinstance(parts.test, Retrieval) else each,
        unit=task.unit,
        notes=(*parts.notes, *notes, *on_new(measured, task.metric, parts.known)),
        warnings=tuple(result.warnings),
        history=tuple({k: v for k, v in row.items() if isinstance(v, (int, float))} for row in result.history),
        dev_metric=task.metric,
        settings={
            "system": recipe.name,
            **{m.name: m.about for m in measured if m.about},
            **settings,
            "steps": result.steps,
            **({} if result.best is None else {"best step": result.best_step}),
        },
        environment=facts,
        scores_before=task.scores(before),
        scores_after=task.scores(after),
        map=task.picture(before, after),
        queries=task.queries(before, after),
        files={"model": str(model), "figures": str(output / "run.json")},
        commands=tuple(commands),
    )


def system(measured: Measured, less: Sequence[str]) -> report.System:
    """What was measured, as the report has it; of the figures in `less` less is better."""
    figures = {}
    for name, f in measured.figures.items():
        low, high = (None, None) if f.interval is None else (f.interval.low, f.interval.high)
        figures[name] = report.Figure(f.value, low, high, f.n, lower=name in less)
    return report.System(measured.name, figures)


def _differences(
    task: Task, measured: Sequence[Measured], before: Measured, after: Measured
) -> list[report.Difference]:
    """The trained model against each other system, and what is combined with it against all but the start."""
    combined = [m for m in measured if " + " in m.name]
    single = [m for m in measured if m not in combined and m is not after]
    # what training changed comes first
    pairs = [(after, other) for other in sorted(single, key=lambda m: m is not before)]
    pairs += [(both, m) for both in combined for m in (*single, after) if m is not before]
    found = []
    names = [task.metric, *(name for name in after.figures if name != task.metric)]
    for a, b in pairs:
        # one item has no interval
        found += [difference(a, b, name, less=name in task.lower) for name in names if a.figures[name].n > 1]
    return found


def difference(a: Measured, b: Measured, metric: str, *, less: bool) -> report.Difference:
    """Of more than one item, as one has no interval."""
    d = evaluate.compare(b.figures[metric], a.figures[metric])
    return report.Difference(
        a.name, b.name, metric, d.value, d.interval.low, d.interval.high, a.figures[metric].n, b.answered, less
    )


def _groups(
    columns: Mapping[str, Mapping[str, str]], task: Task, measured: Sequence[Measured], after: Measured
) -> list[report.Group]:
    """The figures over the queries that have one value of a column, the largest group first, for every column."""
    items, found = after.figures[task.metric].items, []
    for column, values in columns.items():
        value_n = np.array([values[item] for item in items])
        for name, n in Counter(value_n.tolist()).most_common():
            if n == len(items):
                continue
            part = {m.name: _only(m, value_n == name, task) for m in measured}
            own = part[after.name]
            rivals = [m for m in part.values() if m is not own and " + " not in m.name and n > 1]
            differences = tuple(difference(own, m, task.metric, less=task.metric in task.lower) for m in rivals)
            found.append(report.Group(column, name, tuple(system(m, task.lower) for m in part.values()), differences))
    return found


def _only(measured: Measured, chosen_n: Bool[np.ndarray, "n"], task: Task) -> Measured:
    """What was measured of some of the queries."""
    figures = {
        name: evaluate.figure(name, f.values[chosen_n], items=np.array(f.items)[chosen_n].tolist())
        for name, f in measured.figures.items()
    }
    answered = measured.answered
    if answered is not None and measured.found is not None:
        assert isinstance(task, Find)  # nothing else has queries that are answered or not
        rows = np.array(task.test.answers.judged)[chosen_n]
        answered = float((measured.found.ids_nk[rows, 0] >= 0).mean())
    return replace(measured, figures=figures, answered=answered)


def _plain(value: Any) -> str | bool | int | float | None:
    return value if isinstance(value, (str, bool, int, float)) or value is None else str(value)
