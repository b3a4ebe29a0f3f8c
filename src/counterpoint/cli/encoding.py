"""`counterpoint encode`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoint.cli.options import Columns, Model, Schema, SkipBad, Split, note, reading
from counterpoint.errors import InputError
from counterpoint.files import check_output

if TYPE_CHECKING:
    from counterpoint.encoders import Kind


def encode(
    source: Annotated[str, typer.Argument(help="Texts: any file that fit takes, or - for lines of standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .npy file, float32, one row a text.")],
    model: Model = "minilm",
    kind: Annotated[str | None, typer.Option(help="query or document: chooses the model's prompt.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Tokens computed at once.")] = None,
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    resume: Annotated[bool, typer.Option(help="Go on with what a stopped run left, or start over.")] = True,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
) -> None:
    """Turn texts into vectors, at constant memory, resumable.

    Example: counterpoint encode texts.txt --model runs/fit/model --output vectors.npy
    """
    from counterpoint.cli.searching import open_model
    from counterpoint.data import account, read_documents, write_rows

    kinds: dict[str | None, Kind] = {None: None, "query": "query", "document": "document"}
    if kind not in kinds:
        raise InputError(f"--kind is {kind}", fix="give query or document")
    check_output(output, "file", suffix=".npy", source=source)
    documents = None
    texts: Iterable[str] = (line.rstrip("\n") for line in sys.stdin)
    if source != "-":
        documents = read_documents(source, **reading(columns, schema, split, skip_bad), anchors=True)
        note(account(documents, output.with_name(output.name + ".rejected.jsonl")))
        texts = documents.texts
    encoder = open_model(model)
    with encoder.counting() as cut:
        z = encoder.encode(
            texts, kind=kinds[kind], batch_tokens=batch_tokens, dtype=dtype, out=output, resume=resume, progress=True
        )
    note(cut.sentence())
    typer.echo(f"{output}: {z.shape[0]:,} vectors of {z.shape[1]} dimensions")
    if documents is not None and (rows := write_rows(documents, output)):
        typer.echo(f"{rows}: the row of the source that each belongs to")
