"""`counterpoint mine`."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoint.cli.options import (
    Columns,
    Json,
    Language,
    OnRay,
    Schema,
    SkipBad,
    Split,
    Workers,
    note,
    reading,
    spreading,
)
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.data import Retrieval, TextData
    from counterpoint.data.items import Data
    from counterpoint.negatives import Mined
    from counterpoint.negatives.rules import Draw, Rule

_BINS = (-0.5, -0.3, -0.2, -0.1, -0.05, 0.0)
"""Of the histogram: a negative's score less the positive's, of cosines."""


def mine(
    source: Annotated[str, typer.Argument(help="Pairs, tuples or a BEIR folder: what fit takes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .jsonl file, which fit, and others, take.")],
    by: Annotated[
        list[str] | None,
        typer.Option(help="Who finds: bm25, minilm, a model folder or a hub name; repeatable. [default: bm25]"),
    ] = None,
    negatives: Annotated[int, typer.Option("--negatives", "-n", min=1, help="For each row, of each who finds.")] = 1,
    depth: Annotated[int, typer.Option(min=1, help="How many of those found first are looked at.")] = 100,
    first: Annotated[int, typer.Option(min=1, help="The first place that is taken, positives counted.")] = 1,
    margin: Annotated[
        float | None, typer.Option(help="Taken only if it scores at least so much less than the positive.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Taken only if it scores at most such a share of the positive, such as 0.95.")
    ] = None,
    below: Annotated[float | None, typer.Option(help="Taken only if it scores less than this.")] = None,
    owners: Annotated[
        float | None,
        typer.Option(help="Taken only if no query it answers is as near to this one, such as 0.9; by an encoder."),
    ] = None,
    draw: Annotated[
        str, typer.Option(help="top: those found first; random; simans: likelier the closer to the positive's score.")
    ] = "top",
    documents: Annotated[Path | None, typer.Option(help="More texts to look in, a line or a row each.")] = None,
    layout: Annotated[
        str, typer.Option(help="tuples, as sentence-transformers reads them; lists, as FlagEmbedding does.")
    ] = "tuples",
    language: Language = "auto",
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    ray: OnRay = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Find hard negatives: what a search finds for a query although it is not the answer.

    Example: counterpoint mine pairs.tsv --by bm25 --by minilm --negatives 3 --share 0.95 --output tuples.jsonl

    The same command after a kill goes on where it stopped.
    """
    from counterpoint.cli.searching import open_model
    from counterpoint.data import account
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.files import check_output
    from counterpoint.fitting.texts import read_pairs
    from counterpoint.negatives import mine_to
    from counterpoint.negatives.to_file import LAYOUTS

    check_output(output, "file", suffix=".jsonl", source=source)
    if layout not in LAYOUTS:
        raise InputError(f"--layout is {layout}", fix=f"give {' or '.join(LAYOUTS)}")
    rules, weights = _rules(first, depth, margin, share, below), _draw(draw)
    encoders: dict[str, Any] = {}
    for name in by or ["bm25"]:
        if name in encoders:
            raise InputError(f"--by {name} is given twice", fix="raise --negatives, or name another")
        encoders[name] = None if name == "bm25" else open_model(name, "torch")
        if encoders[name] is not None and not isinstance(encoders[name], TextEncoder):
            raise InputError("is no model of texts", file=name, fix="give another model")
    given = read_pairs(source, reading(columns, schema, split, skip_bad))
    note(account(given, output.with_name(output.name + ".rejected.jsonl")))
    data = _searched(given, documents)
    rules += [] if owners is None else [_owned(data, encoders, owners)]
    with spreading(ray, workers) as spread:
        mined = mine_to(
            output, data, encoders, negatives, depth=depth, keep=rules, draw=weights, seed=seed,
            layout=cast("Any", layout), language=language, asked=(first, margin, share, below, owners, draw),
            progress=True, spread=spread,
        )  # fmt: skip
    if as_json:
        told = {"output": str(output), "rows": mined.rows, "short": mined.short, "negatives": dict(mined.negatives)}
        typer.echo(json.dumps({**told, "suspects": dict(mined.suspects)}))
    else:
        typer.echo("\n".join(_sentences(mined, layout)))


def _rules(first: int, depth: int, margin: float | None, share: float | None, below: float | None) -> list[Rule]:
    from counterpoint.negatives import rules

    if first > depth:
        raise InputError(f"--first {first} lies behind --depth {depth}", fix="look deeper")
    kept = [rules.places(first, depth)] if first > 1 else []
    kept += [] if margin is None else [rules.margin(margin)]
    kept += [] if share is None else [rules.share(share)]
    return kept + ([] if below is None else [rules.below(below)])


def _owned(data: Data, encoders: dict[str, Any], owners: float) -> Rule:
    """By the first that has vectors."""
    from counterpoint.negatives.rules import other_owners

    encoder = next((encoder for encoder in encoders.values() if encoder is not None), None)
    if encoder is None:
        raise InputError("--owners compares queries, and BM25 has no vectors of them", fix="give --by minilm, too")
    return other_owners(encoder.encode(list(data.anchors.texts), kind="query"), owners)


def _draw(name: str) -> Draw | None:
    from counterpoint.negatives.rules import near_positive, uniform

    # SimANS' constant is for inner products; of cosines, whose scores lie closer together, it tells nothing apart
    known: dict[str, Draw | None] = {"top": None, "random": uniform, "simans": near_positive(100.0)}
    if name not in known:
        raise InputError(f"--draw is {name}", fix="give top, random or simans")
    return known[name]


def _searched(given: TextData | Retrieval, documents: Path | None) -> Data:
    """The rows, and all that is looked in: the rest of a corpus, and of the documents, after what the rows have."""
    from dataclasses import replace

    from counterpoint.data import Retrieval, pairs_from_retrieval, read_documents
    from counterpoint.data.items import Items
    from counterpoint.data.rows import rows_of

    corpus = list(given.corpus.values()) if isinstance(given, Retrieval) else []
    rows = rows_of((pairs_from_retrieval(given) if isinstance(given, Retrieval) else given).examples, given.source)
    if rows.others is None:
        raise InputError(
            "hard negatives are of pairs, and here is nothing that belongs together",
            file=given.source or None,
            fix="give pairs",
        )
    more = [] if documents is None else read_documents(documents).texts
    texts = list(dict.fromkeys([*rows.others.texts, *corpus, *more]))
    return replace(rows, others=Items("text", texts))


def _sentences(mined: Mined, layout: str) -> list[str]:
    said = [f"{mined.output}: {mined.rows:,} rows"]
    if mined.short:
        fewer = "none" if layout == "lists" else "fewer than asked for"
        said.append(f"{mined.short:,} rows are left out, {fewer} were found for them")
    for name, gap in mined.gaps.items():
        said.append(f"{name}: {mined.negatives[name]:,} negatives; their scores less that of the positive:")
        said += _histogram(gap, name == "bm25")
        if mined.suspects[name]:
            said.append(f"  in {mined.suspects[name]:,} rows something scored no less than the positive")
    if mined.suspected is not None:
        said.append(f"{mined.suspected}: these, the most suspicious first")
    return said


def _histogram(gap: Any, wide: bool) -> list[str]:
    """Lines of bars; BM25's scores are some tens of times as large as cosines."""
    import numpy as np

    edges = np.array(_BINS) * (20 if wide else 1)
    counts = np.bincount(np.searchsorted(edges, gap, side="right"), minlength=len(edges) + 1)
    names = [f"below {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges)), "0 and above"]
    most = max(int(counts.max()), 1)
    return [
        f"  {name:>14} {n:>9,} {'█' * round(30 * n / most)}" for name, n in zip(names, counts.tolist(), strict=True)
    ]
