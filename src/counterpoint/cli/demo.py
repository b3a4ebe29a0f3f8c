"""`counterpoint demo`: the main job on the included corpus, and five searches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoint.cli.fitting import fit
from counterpoint.cli.searching import search
from counterpoint.fitting import INCLUDED

QUERIES = [
    "play chess against the computer",
    "find duplicate photos on my disk",
    "watch network traffic of each program",
    "learn to type with ten fingers",
    "turn a scanned page into text",
]


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")] = Path("demo/static"),
    base: Annotated[str, typer.Option(help="static, minilm, or a model folder or name.")] = "static",
) -> None:
    """Train on the included corpus of Debian packages, measure on 1,500 held-out titles, search.

    Example: counterpoint demo --output demo/static
    """
    if not (output / "run.json").exists():
        fit(INCLUDED, output, base=base, index=True)
    search(output, QUERIES, k=3)
    typer.echo(f"\nreport: {output / 'report.html'}\nsearch: counterpoint search {output} 'your words'")
