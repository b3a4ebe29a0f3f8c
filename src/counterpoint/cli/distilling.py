"""`counterpoint distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoint.cli.options import Columns, Schema, SkipBad, Split, reading


def distill(
    model: Annotated[str, typer.Argument(help="A transformer: a model folder, a name on the hub, or minilm.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the static model.")],
    texts: Annotated[
        str | None, typer.Option(help="Texts like those to be encoded, any file that fit takes: for the frequencies.")
    ] = None,
    dim: Annotated[int, typer.Option(min=1, help="Principal components kept.")] = 256,
    vocabulary: Annotated[
        int, typer.Option(min=0, help="So many words of the texts become tokens of their own, the most frequent first.")
    ] = 0,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
) -> None:
    """Make a static model of a transformer: a table of what it makes of each token alone.

    Example: counterpoint distill minilm --output runs/small

    The same command after a kill goes on where it stopped. The folder is a model, and a base for fit.
    """
    from counterpoint.cli.searching import open_model
    from counterpoint.encoders import distill as run
    from counterpoint.files import check_output, remove
    from counterpoint.fitting.texts import all_texts

    check_output(output, "replaced folder", ours=["modules.json"], source=texts)
    encoder = open_model(model)
    options, rejected = reading(columns, schema, split, skip_bad), output.with_name(output.name + ".rejected.jsonl")
    given = None if texts is None else all_texts(texts, options, rejected)[0]
    vectors = output.with_name(f".{output.name}.tokens.npy")
    student = run(encoder, given, dim=dim, vocabulary=vocabulary, progress=True, out=vectors)
    student.save(output)
    remove(vectors)
    typer.echo(f"{output}: {len(student.embedding.weight):,} tokens of {student.dim} dimensions")
