"""`counterpoint demo`: the main job on the included corpus, and a search in each of its languages."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.fitting import fit, read_content
from counterpoint.cli.searching import search

if TYPE_CHECKING:
    from counterpoint.report import Content

QUERIES = [
    "find duplicate photos on my disk",
    "giocare a scacchi contro il computer",
    "surveiller le trafic réseau de chaque programme",
    "Tippen mit zehn Fingern lernen",
    "動画ファイルを編集する",
]


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the runs.")] = Path("demo"),
    base: Annotated[str, typer.Option(help="static, or a pretrained base to fine-tune as well: minilm, a model.")] = (
        "static"
    ),
) -> None:
    """Train on the included corpus of Debian packages, in five languages, measure on held-out titles, search.

    Example: counterpoint demo --output demo
    """
    from rich.console import Console

    from counterpoint.files import check_output
    from counterpoint.fitting import INCLUDED
    from counterpoint.fitting.run import RUN_FILES
    from counterpoint.report import print_figures
    from counterpoint.systems.registry import slug

    bases = list(dict.fromkeys(("static", base)))
    runs = [output / slug(name) for name in bases]
    for run in runs:
        check_output(run, ours=RUN_FILES)
    for name, run in zip(bases, runs, strict=True):
        if not (run / "run.json").exists():
            fit([INCLUDED], run, base=name, index=True)
    if len(runs) > 1:
        static, other = map(read_content, runs)
        print_figures(beside(static, other, base), Console())
    # the index compares whole words, of which other languages share few with English descriptions
    search(runs[-1], QUERIES, k=3, mode="dense")
    typer.echo(f"\nreport: {runs[-1] / 'report.html'}\nsearch: counterpoint search {runs[-1]} 'your words'")


def beside(static: Content, other: Content, base: str) -> Content:
    """The rows of another base below those of the static one; what both measured stands once.

    Examples:
        >>> from counterpoint.report import Content, Data, Model, System
        >>> names = ("BM25", "untrained", "trained")
        >>> one = Content("demo", "mrr@10", Model("trained"), Data(""), tuple(System(n, {}) for n in names))
        >>> [s.name for s in beside(one, one, "minilm").systems]
        ['BM25', 'untrained', 'trained', 'minilm, untrained', 'minilm, trained']
    """

    def named(name: str) -> str:
        return re.sub(r"\b(un)?trained\b", lambda found: f"{base}, {found[0]}", name)

    return replace(
        other,
        model=replace(other.model, name=named(other.model.name)),
        systems=(*static.systems, *(replace(s, name=named(s.name)) for s in other.systems if named(s.name) != s.name)),
        differences=tuple(replace(d, a=named(d.a), b=named(d.b)) for d in other.differences),
    )
