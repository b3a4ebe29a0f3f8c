"""`counterpoint evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import Backend, Columns, Json, Schema, SkipBad, Split, note, reading

if TYPE_CHECKING:
    from counterpoint.evaluate import Figure, Result


def evaluate(
    model: Annotated[str, typer.Argument(help="A model folder, a name on the hub, or minilm.")],
    source: Annotated[
        str,
        typer.Argument(
            help="Scored pairs, pairs, a BEIR folder, a folder of SentEval or DiscoEval, labels, pictures, triples, "
            "included:debian."
        ),
    ],
    train: Annotated[
        str | None, typer.Option(help="Labelled items to fit the probes on; else half of the source.")
    ] = None,
    backend: Backend = "auto",
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Measure a model: STS, retrieval, classification, links, as the model and the data have it; with 95% intervals.

    Example: counterpoint evaluate runs/fit/model test.tsv
    """
    from counterpoint.cli.items import evaluated, load_for, takes
    from counterpoint.cli.searching import open_model
    from counterpoint.data import Retrieval, account, read_association_tests, read_discourse_tasks, read_sentence_tasks
    from counterpoint.encoders import unknown_note
    from counterpoint.errors import InputError
    from counterpoint.evaluate import evaluate_any, evaluate_associations, evaluate_discourse, evaluate_sentences
    from counterpoint.fitting.texts import read_source

    encoder = open_model(model, backend)
    options = reading(columns, schema, split, skip_bad)
    if takes(encoder) != ["text"]:
        loaded, fitted = (each and load_for(encoder, each, **options) for each in (source, train))
        assert loaded  # a source is given
        typer.echo(loaded.account(f"{Path(source).name}.rejected.jsonl"), err=True)
        task, measured = evaluated(encoder, loaded, fitted or None)
        if as_json:
            figures = {name: {"value": f.value, "n": f.n} for name, f in measured.figures.items()}
            typer.echo(json.dumps([{"source": source, "figures": figures}]))
            return
        _show(source, measured.figures, task.notes)
        return
    tasks, tests = read_sentence_tasks(source), read_association_tests(source)
    discourse = read_discourse_tasks(source)
    if (tasks or tests or discourse) and (train or skip_bad or any(options.values())):
        fix = "give no options but --backend and --json"
        raise InputError("the layouts of these tests are fixed", file=source, fix=fix)
    results: list[Result] = []
    if tasks is not None:
        typer.echo(tasks.account(), err=True)
        note(unknown_note(encoder, tasks.texts()))
        with encoder.counting() as cut:
            results += evaluate_sentences(encoder, tasks, say=lambda name: typer.echo(f"{name} ...", err=True))
        note(cut.sentence())
    if tests is not None:
        typer.echo(f"read {len(tests)} association tests from {source}", err=True)
        results.append(evaluate_associations(encoder, tests, source=source))
    if discourse is not None:
        sizes = (f"{name} ({len(task.parts['test']):,})" for name, task in discourse.items())
        typer.echo(f"read tasks of discourse from {source}: {', '.join(sizes)}", err=True)
        results.append(evaluate_discourse(encoder, discourse, say=lambda name: typer.echo(f"{name} ...", err=True)))
    if results:
        _print(results, as_json)
        return
    data = read_source(source, **options)
    typer.echo(account(data, f"{Path(source).name}.rejected.jsonl"), err=True)
    labelled = None if train is None else read_source(train, **options)
    if labelled is not None:
        typer.echo(account(labelled, f"{Path(str(train)).name}.rejected.jsonl"), err=True)
    if isinstance(labelled, Retrieval):
        raise InputError("--train is a retrieval test", fix="give labelled texts")
    texts = [*data.queries.values(), *data.corpus.values()] if isinstance(data, Retrieval) else list(data.texts())
    note(unknown_note(encoder, texts))
    with encoder.counting() as cut:
        results = evaluate_any(encoder, data, labelled)
    note(cut.sentence())
    _print(results, as_json)


def _print(results: Sequence[Result], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([r.to_json(items=False) for r in results]))
        return
    for result in results:
        _show(f"{result.task}: {result.source}", dict(result.items()), result.notes)


def _show(title: str, figures: dict[str, Figure], notes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("figure", "value", "95% interval", "n", title=Text(title))
    for name, f in figures.items():
        table.add_row(name, f"{f.value:.4f}", str(f.interval or ""), f"{f.n:,}")
    console = Console()
    console.print(table)
    for sentence in notes:
        console.print(f"note: {sentence}", highlight=False, markup=False, soft_wrap=True)
