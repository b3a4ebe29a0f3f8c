"""The HTML report: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import functools
import importlib.resources
import os
from typing import Any

from counterpoint.files import atomic
from counterpoint.report.content import Content, Difference, Figure, Group
from counterpoint.report.plots import figure_plots, map_plots, metrics, score_plots, training_plots
from counterpoint.report.thumbnails import is_picture
from counterpoint.report.wording import (
    BETTER,
    WORSE,
    all_of,
    clip,
    decimals,
    grouped,
    interval,
    judge,
    lower,
    number,
    primary,
    rival,
    sure,
    verdict,
)

TONES = {BETTER: ("good", "▲"), WORSE: ("bad", "▼")}


def write_report(content: Content, path: str | os.PathLike[str]) -> None:
    """Write the report of `content` as one HTML file, whole or not at all.

    Raises:
        InputError: The disk is full.
    """
    page = report_html(content)
    with atomic(path) as part:
        part.write_text(page, encoding="utf-8")


def report_html(content: Content) -> str:
    """The report as one HTML page; every text of the content is escaped, and the page forbids scripts.

    Examples:
        >>> from counterpoint.report.content import Data, Model
        >>> page = report_html(Content("<b>x</b>", "MRR@10", Model("trained"), Data("a.tsv"), ()))
        >>> "&lt;b&gt;x&lt;/b&gt;" in page, "<b>x</b>" in page
        (True, False)
    """
    content = Content.from_json(content.to_json())  # so that a report made again from the file is the same
    word, sentence = verdict(content)
    names = metrics(content)
    own = next((s.figures.get(content.metric) for s in content.systems if s.name == content.model.name), None)
    page: str = _template().render(
        content=content,
        style=importlib.resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8"),
        word=word,
        sentence=sentence,
        tone={"Yes": "good", "No": "bad"}.get(word, "unsure"),
        now=None if own is None else _cell(own),
        was=_was(content),
        **_comparisons(content),
        sure=sure(content),
        metrics=names,
        lower=all_of(less) if (less := lower(content)) else "",
        table=_table(content, names) if names else [],
        groups={column: [_group(content, group) for group in groups] for column, groups in grouped(content).items()},
        count=next((f"{f.n:,}" for s in content.systems for f in s.figures.values() if f.n), ""),
        differences=[_difference(d) for d in content.differences],
        figure_plots=figure_plots(content),
        training_plots=training_plots(content),
        score_plots=score_plots(content),
        map_plots=map_plots(content),
        data=_data(content),
        model=_model(content),
    )
    return page


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"clip": clip, "number": number}
    environment.tests["picture"] = is_picture
    source = importlib.resources.files(__package__).joinpath("template.html").read_text(encoding="utf-8")
    return environment.from_string(source)


def _cell(figure: Figure | None) -> dict[str, Any]:
    if figure is None:
        return {"value": "", "interval": ""}
    return {"value": number(figure.value, decimals(figure)), "interval": interval(figure)}


def _table(content: Content, names: list[str]) -> list[dict[str, Any]]:
    figures = [(name, f.value) for s in content.systems for name, f in s.figures.items() if f.value is not None]
    less = lower(content)
    top = {
        name: (min if name in less else max)(value for other, value in figures if other == name) for name, _ in figures
    }
    return [
        {
            "name": system.name,
            "cells": [
                _cell(figure) | {"best": figure is not None and figure.value == top.get(name, "none")}
                for name in names
                for figure in [system.figures.get(name)]
            ],
        }
        for system in content.systems
    ]


def _group(content: Content, group: Group) -> dict[str, Any]:
    """A row of the table by groups: the primary metric of every system, and the difference from the main baseline."""
    figures = [system.figures.get(content.metric) for system in group.systems]
    difference = rival(group)
    return {
        "name": group.name,
        "n": next((f"{f.n:,}" for f in figures if f is not None and f.n), ""),
        "cells": [_cell(figure) for figure in figures],
        "difference": None if difference is None else _difference(difference),
    }


def _was(content: Content) -> dict[str, str] | None:
    """The figure of the system that the model is first compared with."""
    rivals = [d.b for d in primary(content) if d.a == content.model.name]
    for system in content.systems:
        if rivals and system.name == rivals[0] and content.metric in system.figures:
            return {"name": system.name} | _cell(system.figures[content.metric])
    return None


def _difference(d: Difference, understood: str = "") -> dict[str, Any]:
    """The difference in words; the challenger is not named where it is the one that is `understood`."""
    tone, mark = TONES.get(judge(d), ("unsure", "≈"))
    return {
        "name": f"against {d.b}" if d.a == understood else f"{d.a} against {d.b}",
        "metric": d.metric,
        "value": number(d.value, decimals(d), sign=True),
        "interval": interval(d),
        "verdict": judge(d),
        "tone": tone,
        "mark": mark,
    }


def _comparisons(content: Content) -> dict[str, Any]:
    """The primary differences, groups of items after the model's own, each with its place (2 to 98) on one strip."""
    shown = [(_difference(d, content.model.name), d) for d in primary(content)]
    own = sum(d.a == content.model.name for _, d in shown)
    rivals = [(group, rival(group)) for group in content.groups]
    shown[own:own] = [(_difference(d) | {"name": f"{d.b}, {g.name}"}, d) for g, d in rivals if d is not None]
    ends = [0.0, *(x for _, d in shown for x in (d.low, d.value, d.high) if x is not None)]
    low, width = min(ends), (max(ends) - min(ends)) or 1.0

    def at(x: float | None) -> float:
        return round(2 + 96 * ((x or 0.0) - low) / width, 2)

    placed = [said | {"low": at(d.low), "mid": at(d.value), "high": at(d.high)} for said, d in shown]
    return {"zero": at(0.0), "comparisons": placed}


def _data(content: Content) -> list[tuple[str, str]]:
    data = content.data
    rows = [
        ("source", data.source),
        ("schema", data.schema),
        ("columns", ", ".join(f"{role} = {column}" for role, column in data.columns.items())),
        *((f"{name} rows", f"{rows:,}") for name, rows in data.splits.items()),
        ("rejected rows", f"{data.rejected:,}" + (f", listed in {data.rejected_file}" if data.rejected_file else "")),
        *(("note", note) for note in data.notes),
    ]
    return [(name, value) for name, value in rows if value]


def _model(content: Content) -> list[tuple[str, str]]:
    model = content.model
    rows = [
        ("name", model.name),
        ("kind", model.kind),
        ("base", model.base),
        ("objective", model.objective),
        ("dimensions", f"{model.dim:,}" if model.dim else ""),
        ("tokens read", f"{model.max_length:,} of a text" if model.max_length else ""),
        ("licence", model.license),
        *((f"{kind} prompt", prompt and f"“{prompt}”") for kind, prompt in model.prompts.items()),
    ]
    return [(name, value) for name, value in rows if value]
