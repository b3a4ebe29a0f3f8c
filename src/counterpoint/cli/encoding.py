"""`counterpoint encode`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import (
    Backend,
    Columns,
    Model,
    OnRay,
    Schema,
    SkipBad,
    Split,
    Workers,
    note,
    reading,
    role_columns,
    spreading,
)
from counterpoint.errors import InputError
from counterpoint.files import check_output

if TYPE_CHECKING:
    from counterpoint.encoders import Kind


def encode(
    source: Annotated[
        str, typer.Argument(help="Anything that fit takes and the model is of, or - for lines of standard input.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .npy file, one row an item.")],
    model: Model = "minilm",
    backend: Backend = "auto",
    kind: Annotated[str | None, typer.Option(help="query or document: chooses the model's prompt.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Put before every text, instead of the model's prompt.")] = None,
    dim: Annotated[int | None, typer.Option(help="Keep only so many first dimensions of the vectors.")] = None,
    precision: Annotated[
        str, typer.Option(help="float32; int8, a quarter of the bytes; or binary, a bit a dimension.")
    ] = "float32",
    ranges: Annotated[
        Path | None,
        typer.Option(help="For int8: the .ranges.json of vectors that these will be compared with; else a new one."),
    ] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens computed at once.")] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16: what the model computes in.")] = "auto",
    resume: Annotated[bool, typer.Option(help="Go on with what a stopped run left, or start over.")] = True,
    ray: OnRay = None,
    workers: Workers = None,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
) -> None:
    """Turn texts or pictures into vectors, resumable; texts at constant memory.

    Example: counterpoint encode texts.txt --model runs/fit/model --output vectors.npy
    """
    from counterpoint.cli.items import load_for, parts_of
    from counterpoint.cli.searching import open_model
    from counterpoint.data import account, read_documents, write_rows
    from counterpoint.data.items import Items
    from counterpoint.encoders import unknown_note
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.encoding import check_precision, encode_items_to
    from counterpoint.fitting.parts import kind_of_source
    from counterpoint.precision import Ranges

    kinds: dict[str | None, Kind] = {None: None, "query": "query", "document": "document"}
    if kind not in kinds:
        raise InputError(f"--kind is {kind}", fix="give query or document")
    check_output(output, "file", suffix=".npy", source=source)
    given = None if ranges is None else Ranges.load(ranges)
    encoder = open_model(model, backend)
    if not isinstance(encoder, TextEncoder):
        asked = {"--prompt": prompt, "--dim": dim, "--ranges": ranges, "--batch-tokens": batch_tokens}
        asked |= {"--ray": ray, "--workers": workers, "--dtype": None if dtype == "auto" else dtype}
        asked["--precision"] = None if precision == "float32" else precision
        if given_too := [name for name, value in asked.items() if value is not None]:
            raise InputError(f"{given_too[0]} is for models of texts alone", fix="leave it out")
        loaded = load_for(encoder, source, **reading(columns, schema, split, skip_bad))
        note(loaded.account(output.with_name(output.name + ".rejected.jsonl")))
        parts = (p.anchors[p.anchor] if p.others is None else p.anchors for p in parts_of(loaded))
        z = encode_items_to(output, encoder, Items.cat(list(parts)), kind=kinds[kind], progress=True, resume=resume)
        typer.echo(f"{output}: {len(z):,} vectors of {encoder.dim} dimensions, float32, {z.nbytes:,} bytes")
        return
    check_precision(encoder, precision, given, dim)
    if source != "-" and (found := kind_of_source(source, role_columns(columns))) != "texts":
        raise InputError(f"the model takes text, and these are {found}", file=source, fix="give another model")
    documents = None
    texts: Iterable[str] = (line.rstrip("\n") for line in sys.stdin)
    if source != "-":
        documents = read_documents(source, **reading(columns, schema, split, skip_bad), anchors=True)
        note(account(documents, output.with_name(output.name + ".rejected.jsonl")))
        texts = documents.texts
        note(unknown_note(encoder, documents.texts))
    with spreading(ray, workers) as spread, encoder.counting() as cut:
        z = encoder.encode(
            texts, kind=kinds[kind], prompt=prompt, truncate_dim=dim, precision=precision, ranges=given,
            batch_tokens=batch_tokens, dtype=dtype, out=output, resume=resume, progress=True, spread=spread,
        )  # fmt: skip
    note(cut.sentence())
    width = encoder.dim if dim is None else dim
    typer.echo(
        f"{output}: {z.shape[0]:,} vector{'s' * (len(z) != 1)} of {width} dimensions, {precision}, {z.nbytes:,} bytes"
    )
    if precision == "int8" and len(z):
        typer.echo(f"{output}.ranges.json: the range of each dimension")
    if documents is not None and (rows := write_rows(documents, output)):
        typer.echo(f"{rows}: the row of the source that each belongs to")
