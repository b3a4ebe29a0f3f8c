"""From what was measured to what the report says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterpoint import evaluate, report
from counterpoint.config import Config
from counterpoint.encoders._base import TextEncoder
from counterpoint.fitting.parts import Parts
from counterpoint.tasks import Measured, Task, on_new
from counterpoint.training import TrainResult


def content_of(
    parts: Parts,
    config: Config,
    encoder: TextEncoder,
    task: Task,
    measured: Sequence[Measured],
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
    settings = {name: _plain(value) for name, value in vars(config.train).items()}
    model = output / "model"
    some = "a query"
    commands = [
        report.Command("encode texts", f"counterpoint encode texts.txt --model {model} --output vectors.npy"),
    ]
    if index:
        commands.insert(0, report.Command("search", f"counterpoint search {output / 'index'} '{some}'"))
    return report.Content(
        title=Path(parts.train.source).name,
        metric=task.metric,
        model=report.Model(
            name=after.name,
            kind=type(encoder).__name__,
            base=base,
            objective=config.name,
            dim=encoder.dim,
            max_length=getattr(encoder, "max_seq_length", None),
            prompts=dict(encoder.prompts),
        ),
        data=report.Data(
            source=parts.train.source,
            schema=parts.train.schema,
            columns=dict(parts.train.columns),
            splits=parts.sizes,
            rejected=len(parts.train.rejected),
            rejected_file=str(output / "rejected.jsonl") if parts.train.rejected else "",
            notes=parts.train.notes,
        ),
        systems=tuple(_system(m) for m in measured),
        differences=tuple(_differences(task.metric, measured, before, after)),
        unit=task.unit,
        notes=(*parts.notes, *notes, *on_new(measured, task.metric, parts.known)),
        warnings=tuple(result.warnings),
        history=tuple({k: v for k, v in row.items() if isinstance(v, (int, float))} for row in result.history),
        dev_metric=task.metric,
        settings={
            "system": config.name,
            **{m.name: m.about for m in measured if m.about},
            **settings,
            "steps": result.steps,
            "best step": result.best_step,
        },
        environment=facts,
        scores_before=task.scores(before),
        scores_after=task.scores(after),
        map=task.picture(before, after),
        queries=task.queries(before, after),
        files={"model": str(model), "figures": str(output / "run.json")},
        commands=tuple(commands),
    )


def _system(measured: Measured) -> report.System:
    figures = {}
    for name, f in measured.figures.items():
        low, high = (None, None) if f.interval is None else (f.interval.low, f.interval.high)
        figures[name] = report.Figure(f.value, low, high, f.n)
    return report.System(measured.name, figures)


def _differences(
    metric: str, measured: Sequence[Measured], before: Measured, after: Measured
) -> list[report.Difference]:
    """The trained model against each other system, and what is combined with it against all but the start."""
    combined = [m for m in measured if " + " in m.name]
    single = [m for m in measured if m not in combined and m is not after]
    # what training changed comes first
    pairs = [(after, other) for other in sorted(single, key=lambda m: m is not before)]
    pairs += [(both, m) for both in combined for m in (*single, after) if m is not before]
    found = []
    names = [metric, *(name for name in after.figures if name != metric)]
    for a, b in pairs:
        # one item has no interval
        for name in (name for name in names if a.figures[name].n > 1):
            d = evaluate.compare(b.figures[name], a.figures[name])
            low, high, n = d.interval.low, d.interval.high, a.figures[name].n
            found.append(report.Difference(a.name, b.name, name, d.value, low, high, n, b.answered))
    return found


def _plain(value: Any) -> str | bool | int | float | None:
    return value if isinstance(value, (str, bool, int, float)) or value is None else str(value)
