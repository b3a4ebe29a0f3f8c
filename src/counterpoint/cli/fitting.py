"""`counterpoint fit` and `counterpoint report`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import CheckpointSeconds, Columns, Dtype, Json, Language, Schema, SkipBad, Split, reading

if TYPE_CHECKING:
    from rich.console import Console

    from counterpoint.report import Content


def fit(
    sources: Annotated[
        list[str],
        typer.Argument(help="A file, a folder, hf:OWNER/NAME, digits, or included:debian; several of one kind."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")] = Path("runs/fit"),
    base: Annotated[
        str, typer.Option(help="auto, static, smollm2, minilm, resnet, complex, ..., or a model folder or name.")
    ] = "auto",
    system: Annotated[str | None, typer.Option(help="A system of `counterpoint systems`; else by the schema.")] = None,
    dev: Annotated[
        str, typer.Option(help="Held out for validation: a fraction, a number of rows, or a file; 0: none.")
    ] = "0.05",
    test: Annotated[
        str, typer.Option(help="Held out for the figures: the same; of texts alone queries, too (a BEIR folder).")
    ] = "0.1",
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the data; by its kind and size if not given.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Examples contrasted with each other, by the data if not given; costs no memory.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest; by the base if not given.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Batches a step; adds no negatives.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many validations without a new best; if not given, never.")
    ] = None,
    dtype: Dtype = None,
    checkpoint_seconds: CheckpointSeconds = None,
    strict_split: Annotated[
        bool, typer.Option("--strict-split", help="Retrieval data: no document that was trained on is searched for.")
    ] = False,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens at which a transformer cuts texts, up to its positions.")
    ] = None,
    index: Annotated[bool, typer.Option(help="Make a search index of all documents too.")] = False,
    language: Language = "auto",
    log: Annotated[str | None, typer.Option(help="Show the run in tensorboard, wandb or trackio too.")] = None,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a better embedding model for texts, pictures, captions or triples, and measure whether it is better.

    Example: counterpoint fit pairs.tsv --output runs/mine --index

    The same command after a kill goes on where it stopped.
    """
    from rich.console import Console

    from counterpoint.fitting import fit as run
    from counterpoint.report import print_figures

    method = None
    if system is not None:
        from counterpoint.systems import get

        method = get(system).method()
    errors = Console(stderr=True)
    with progress(errors) as on_row:
        result = run(
            sources[0],
            output,
            more=sources[1:],
            base=base,
            method=method,
            **reading(columns, schema, split, skip_bad),
            dev=dev,
            test=test,
            strict_split=strict_split,
            index=index,
            language=language,
            log=log,
            max_length=max_length,
            seed=seed,
            say=lambda sentence: errors.print(sentence, highlight=False, markup=False, soft_wrap=True),
            on_row=on_row,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            accumulate=accumulate,
            patience=patience,
            dtype=dtype,
            checkpoint_seconds=checkpoint_seconds,
        )
    if not result.measured:
        return
    if as_json:
        typer.echo(json.dumps({"folder": str(result.folder), "report": result.content.to_json()}))
    else:
        print_figures(result.content, Console())


@contextmanager
def progress(console: Console) -> Iterator[Callable[[dict[str, object]], None]]:
    """Within: what training is told to call with each of its rows, which are shown."""
    from counterpoint.report import TrainingView

    view: list[TrainingView] = []

    def on_row(row: dict[str, object]) -> None:
        if not view:
            # the pace counts from here: what went before may be another run's, before it was stopped
            step, steps = int(str(row["step"])), int(str(row["steps"]))
            view.append(TrainingView(steps, start_step=step, console=console).__enter__())
        if "warning" in row:
            view[0].warn(str(row["warning"]))
        view[0].update({k: v for k, v in row.items() if isinstance(v, (int, float))})

    try:
        yield on_row
    finally:
        if view:
            view[0].__exit__(None, None, None)


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
) -> None:
    """Write a run's report again from its run.json.

    Example: counterpoint report runs/fit
    """
    from counterpoint.files import check_output
    from counterpoint.report import write_report

    content = read_content(run)
    write_report(content, check_output(run / "report.html", "file"))
    typer.echo(run / "report.html")


def read_content(run: Path) -> Content:
    """What a finished run's report says."""
    from counterpoint.errors import InputError
    from counterpoint.report import Content

    file = run / "run.json"
    try:
        return Content.from_json(json.loads(file.read_text())["content"], file=str(file))
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("there is no finished run here", file=run, fix="give the --output of a fit") from error
