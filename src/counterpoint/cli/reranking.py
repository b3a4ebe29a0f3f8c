"""`counterpoint fit-reranker`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import CheckpointSeconds, Columns, Dtype, Json, Language, Schema, SkipBad, Split, reading

if TYPE_CHECKING:
    from counterpoint.evaluate.reranking import Reranking


def fit_reranker(
    source: Annotated[str, typer.Argument(help="Pairs, tuples or a BEIR folder: what fit takes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder.")] = Path("runs/reranker"),
    base: Annotated[
        str,
        typer.Option(help="auto, kernels (made from the texts), minilm, smollm2, a model folder or name, a reranker."),
    ] = "auto",
    objective: Annotated[
        str, typer.Option(help="Over an answer and its negatives: listwise, pointwise or margin.")
    ] = "listwise",
    teacher: Annotated[
        str | None, typer.Option(help="A reranker whose scores are learned in place of that: a folder or name.")
    ] = None,
    retriever: Annotated[
        str, typer.Option(help="Who finds what is put in order, and the negatives: bm25, minilm, a model.")
    ] = "bm25",
    negatives: Annotated[
        int | None, typer.Option(min=0, help="To mine for each row; 7 if the data have none, else none.")
    ] = None,
    candidates: Annotated[int, typer.Option(min=2, help="How many of those found first are put in order.")] = 100,
    dev: Annotated[
        str, typer.Option(help="Held out to choose by: a fraction, a number of rows, or a file; 0: none.")
    ] = "0.05",
    test: Annotated[str, typer.Option(help="Held out for the figures: the same, but not none.")] = "0.1",
    epochs: Annotated[float | None, typer.Option(help="Passes over the lists; 5 of kernels, else 1.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, in place of epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Lists a step; 16 if not given.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="The highest; 1e-2 of kernels, else 2e-5, if not given.")
    ] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many validations without a new best.")] = None,
    max_length: Annotated[int | None, typer.Option(min=8, help="Tokens of a pair, of a transformer; 512.")] = None,
    dtype: Dtype = None,
    checkpoint_seconds: CheckpointSeconds = None,
    language: Language = "auto",
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a model that puts search results in a better order, and measure by how much it does.

    Example: counterpoint fit-reranker pairs.tsv --output runs/reranker

    The same command after a kill goes on where it stopped. The folder is for search --rerank and evaluate --rerank.
    """
    from rich.console import Console

    from counterpoint.cli.fitting import progress
    from counterpoint.fitting import fit_reranker as run

    errors = Console(stderr=True)
    with progress(errors) as on_row:
        made = run(
            source,
            output,
            base=base,
            objective=objective,
            teacher=teacher,
            retriever=retriever,
            negatives=negatives,
            depth=candidates,
            dev=dev,
            test=test,
            max_length=max_length,
            language=language,
            reading=reading(columns, schema, split, skip_bad),
            seed=seed,
            say=lambda sentence: errors.print(sentence, highlight=False, markup=False, soft_wrap=True),
            on_row=on_row,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            dtype=dtype,
            checkpoint_seconds=checkpoint_seconds,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(made.folder), "steps": made.steps, **made.measured.to_json()}))
    else:
        show(made.measured, retriever)


def show(measured: Reranking, found_by: str) -> None:
    """Both orders side by side, and how much better the second is."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("figure", escape(found_by), "reranked", "difference", "95% interval")
    for name, before in measured.before.items():
        difference = measured.differences.get(name)
        values = (f"{figure.value:.4f}" for figure in (before, measured.after[name]))
        gap = ("", "") if difference is None else (f"{difference.value:+.4f}", str(difference.interval))
        table.add_row(name, *values, *gap)
    console = Console()
    console.print(table)
    for sentence in measured.after.notes:
        console.print(f"note: {sentence}", highlight=False, markup=False, soft_wrap=True)
