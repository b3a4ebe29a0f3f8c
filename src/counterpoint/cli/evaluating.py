"""`counterpoint evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoint.cli.options import Backend, Columns, Json, Schema, SkipBad, Split, note, reading

if TYPE_CHECKING:
    from counterpoint.evaluate import Figure, Reranking, Result
    from counterpoint.search import Fusion


def evaluate(
    model: Annotated[
        str,
        typer.Argument(help="A model folder, a name on the hub, or minilm; for retrieval also bm25, or a run's file."),
    ],
    source: Annotated[
        str,
        typer.Argument(
            help="Scored pairs, pairs, a BEIR folder, a folder of SentEval or DiscoEval, contrasts, labels, "
            "pictures, triples, included:debian."
        ),
    ],
    train: Annotated[
        str | None, typer.Option(help="Labelled items to fit the probes on; else half of the source.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Another one: how much better the first is, with an interval and a p-value.")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help="For retrieval: mrr, hit, precision, recall, map or ndcg, @K; repeatable."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="For retrieval: write the 1,000 best of each query, or those fused, as a run of TREC."),
    ] = None,
    fuse: Annotated[
        str | None,
        typer.Option(help="Retrieval: what is found is fused with what this finds: bm25, a model, or a run's file."),
    ] = None,
    fusion: Annotated[
        str, typer.Option(help="ranks: by reciprocal rank; scores: each brought to 0 to 1 a query, and summed.")
    ] = "ranks",
    rerank: Annotated[
        str | None, typer.Option(help="Retrieval: put what is found in a reranker's order, too; a folder or name.")
    ] = None,
    unseen: Annotated[
        str | None,
        typer.Option(
            help="Retrieval: only queries none of whose documents was a positive in this: what was trained on."
        ),
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, help="How many are fused, or put in its order.")] = 100,
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
    from counterpoint.cli.texts import asked, is_ranking
    from counterpoint.data import read_association_tests, read_contrasts, read_discourse_tasks, read_sentence_tasks
    from counterpoint.encoders import load_cross_encoder, unknown_note
    from counterpoint.errors import InputError
    from counterpoint.evaluate import (
        METRICS,
        RERANKED,
        evaluate_associations,
        evaluate_contrasts,
        evaluate_discourse,
        evaluate_sentences,
        of_documents,
        parse_metric,
    )
    from counterpoint.files import check_output
    from counterpoint.search.fusion import check_fusion

    for metric in metrics or ():
        parse_metric(metric)
    usual = METRICS if rerank is None else RERANKED
    deepest = max((int(name.partition("@")[2] or 0) for name in metrics or usual), default=0)
    if (fuse is not None or rerank is not None) and deepest > candidates:
        fix = f"give --candidates {deepest}, or other metrics"
        done = "fused" if rerank is None else "put in order"
        raise InputError(f"a metric looks at {deepest} documents, and {candidates} are {done}", fix=fix)
    if run is not None:
        check_output(run, "file", source=source)
    check_fusion(fusion)
    if fusion != "ranks" and fuse is None:
        raise InputError(f"--fusion {fusion} with nothing to fuse", fix="say with what: --fuse bm25")
    named = [name for name in dict.fromkeys((model, fuse, against)) if name is not None]
    retrieval = bool(run or metrics or fuse or rerank or unseen) or any(map(is_ranking, named))
    encoders = {name: None if is_ranking(name) else open_model(name, backend) for name in named}
    options = reading(columns, schema, split, skip_bad)
    if rerank is not None and (against or train):
        fix = "leave out --against and --train; --run writes what others can be compared with"
        raise InputError("--rerank compares what is found with itself in another order", fix=fix)
    if retrieval or against is not None:
        if any(e is not None and takes(e) != ["text"] for e in encoders.values()):
            raise InputError(
                "--against, --metric, --run, --fuse, --rerank and --unseen are for texts", fix="leave them out"
            )
        ask = asked(source, train, options, tuple(metrics or ()), retrieval=retrieval, unseen=unseen)
        title = model if fuse is None else f"{model} + {fuse}"
        both = [(name, encoders[name]) for name in (model, fuse) if name is not None]
        fused = None if fuse is None else ask.fused(both, candidates, cast("Fusion", fusion))
        if rerank is not None:
            judge = load_cross_encoder(rerank)
            found = ask.found(model, encoders[model], candidates) if fused is None else fused
            _print_orders(ask.reranked(found, judge, candidates, run), title, as_json)
            return
        first = ask.of(model, encoders[model], run) if fused is None else ask.of_run(fused, run)
        if against is None:
            _print(first, as_json)
        else:
            _print_both((title, against), first, ask.of(against, encoders[against]), as_json)
        return
    encoder: Any = encoders[model]
    if takes(encoder) != ["text"]:
        loaded = load_for(encoder, source, **options)
        # the split is of the source
        fitted = None if train is None else load_for(encoder, train, **{**options, "split": None})
        typer.echo(loaded.account(f"{Path(source).name}.rejected.jsonl"), err=True)
        task, measured = evaluated(encoder, loaded, fitted)
        if as_json:
            figures = {name: {"value": f.value, "n": f.n} for name, f in measured.figures.items()}
            typer.echo(json.dumps([{"source": source, "figures": figures}]))
            return
        _show(source, measured.figures, task.notes)
        return
    tasks, tests = read_sentence_tasks(source), read_association_tests(source)
    discourse, contrasts = read_discourse_tasks(source), read_contrasts(source)
    if (tasks or tests or discourse or contrasts) and (train or skip_bad or any(options.values())):
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
    if contrasts is not None:
        typer.echo(f"read {len(contrasts):,} contrasts from {source}", err=True)
        results.append(evaluate_contrasts(of_documents(encoder), contrasts, source=source))
    if results:
        _print(results, as_json)
        return
    _print(asked(source, train, options).of(model, encoder), as_json)


def _print(results: Sequence[Result], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([r.to_json(items=False) for r in results]))
        return
    for result in results:
        _show(f"{result.task}: {result.source}", dict(result.items()), result.notes)


def _print_orders(measured: Reranking, name: str, as_json: bool) -> None:
    from counterpoint.cli.reranking import show

    if as_json:
        typer.echo(json.dumps(measured.to_json()))
    else:
        show(measured, name)


def _print_both(names: tuple[str, str], first: Sequence[Result], second: Sequence[Result], as_json: bool) -> None:
    """Both, and by how much the first is better: paired bootstrap intervals, and of means a randomisation test's p."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from counterpoint.evaluate import compare, randomisation

    said, console = [], Console()
    for ours, theirs in zip(first, second, strict=True):
        title = Text(f"{ours.task}: {ours.source}; first {names[0]}, against {names[1]}")
        table = Table("figure", "first", "against", "difference", "95% interval", "p", title=title)
        for name in ours:
            a, b = theirs[name], ours[name]
            values = f"{b.value:.4f}", f"{a.value:.4f}", f"{b.value - a.value:+.4f}"
            if a.n < 2:  # there is no interval of one
                table.add_row(name, *values, "", "")
                continue
            difference = compare(a, b)
            p = randomisation(a, b) if a.statistic == "mean" else None
            said.append({"task": ours.task, **difference.to_json(), "randomisation": p})
            shown = "" if p is None else f"{p:.4f}"
            table.add_row(name, *values, str(difference.interval), shown)
        if not as_json:
            console.print(table)
            for sentence in dict.fromkeys((*ours.notes, *theirs.notes)):
                console.print(f"note: {sentence}", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        parts = zip(("first", "against"), (first, second), strict=True)
        measured = {part: [r.to_json(items=False) for r in results] for part, results in parts}
        typer.echo(json.dumps({**measured, "differences": said}))


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
