"""The HTML report: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import functools
import importlib.resources
import os
from typing import Any

from counterpoint.files import atomic
from counterpoint.report.content import Content, Difference, Figure
from counterpoint.report.plots import figure_plots, map_plots, metrics, score_plots, training_plots
from counterpoint.report.thumbnails import is_picture
from counterpoint.report.wording import (
    BETTER,
    WORSE,
    all_of,
    clip,
    decimals,
    interval,
    judge,
    lower,
    number,
    primary,
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
        zero=_strip(content)(0.0),
        comparisons=[_difference(d, content.model.name) | _place(d, content) for d in primary(content)],
        sure=sure(content),
        metrics=names,
        lower=all_of(less) if (less := lower(content)) else "",
        table=_table(content, names) if names else [],
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


def _strip(content: Content) -> Any:
    """From a difference to its place (2 to 98) on the strip that all primary differences and 0 share."""
    ends = [0.0, *(x for d in primary(content) for x in (d.low, d.value, d.high) if x is not None)]
    low, high = min(ends), max(ends)
    return lambda x: round(2 + 96 * ((x or 0.0) - low) / ((high - low) or 1.0), 2)


def _place(d: Difference, content: Content) -> dict[str, float]:
    at = _strip(content)
    return {"low": at(d.low), "mid": at(d.value), "high": at(d.high)}


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
