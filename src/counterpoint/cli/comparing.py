"""`counterpoint compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from counterpoint.cli.options import Columns, Json, Schema, SkipBad, Split, reading


def compare(
    source: Annotated[
        str,
        typer.Argument(
            help="What `fit` takes: a file of texts, included:debian, digits, a folder of class folders, ..."
        ),
    ],
    systems: Annotated[
        list[str], typer.Argument(help="Of `counterpoint systems`, or untrained; the first is the reference.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the comparison.")] = Path(
        "runs/compare"
    ),
    base: Annotated[str, typer.Option(help="What all start from; auto is made from the data.")] = "auto",
    seeds: Annotated[int, typer.Option(help="Runs of each, 2 or more.")] = 3,
    on: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure on this in place of a part of the source: for texts, what `evaluate` takes; repeatable, the "
            "first decides the order."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Runs side by side.")] = 1,
    epochs: Annotated[float | None, typer.Option(help="Passes over the data, for all.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Items contrasted with each other, for all.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest, for all.")] = None,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Compare systems on equal footing: the same data, start, budget and seeds; a leaderboard with intervals and costs.

    Example: counterpoint compare digits simclr dcl --seeds 3

    The same command after a kill goes on where it stopped; more systems or seeds may be added later.
    """
    from rich.console import Console

    from counterpoint.comparing import compare as run
    from counterpoint.report import print_figures

    errors = Console(stderr=True)
    result = run(
        source,
        systems,
        output,
        base=base,
        seeds=seeds,
        on=on or (),
        jobs=jobs,
        reading=reading(columns, schema, split, skip_bad),
        say=lambda sentence: errors.print(sentence, highlight=False, markup=False, soft_wrap=True),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
    )
    if as_json:
        typer.echo(json.dumps({"folder": str(result.folder), "report": result.content.to_json()}))
        return
    print_figures(result.content, Console())
    typer.echo(f"report: {output / 'report.html'}")
