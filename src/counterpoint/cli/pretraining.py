"""`counterpoint pretrain` and `counterpoint first-layers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoint.cli.options import CheckpointSeconds, Columns, Dtype, Json, Schema, SkipBad, Split, reading

if TYPE_CHECKING:
    from counterpoint.encoders.pooling import Pooling


def pretrain(
    sources: Annotated[
        list[str], typer.Argument(help="Texts: a file, a folder, hf:OWNER/NAME, or included:debian; any number.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder.")],
    objective: Annotated[str, typer.Option(help="mlm, maelm, rtd, tsdae, condenser or retromae.")] = "mlm",
    base: Annotated[str, typer.Option(help="small, made from the texts, or a transformer's folder or name.")] = "small",
    layers: Annotated[int | None, typer.Option(help="Of a small one; 4 if not given.")] = None,
    width: Annotated[int | None, typer.Option(help="Of its states, a multiple of 64; 256 if not given.")] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Its tokens; 16,000 if not given.")] = None,
    whole_words: Annotated[bool, typer.Option("--whole-words", help="Mask whole words, not their pieces.")] = False,
    max_length: Annotated[
        int | None, typer.Option(min=4, help="Tokens of a piece of text; 64 of a small one, else its folder's.")
    ] = None,
    held_out: Annotated[str, typer.Option(help="Texts to measure by: a fraction or a number; 0: none.")] = "0.02",
    epochs: Annotated[float | None, typer.Option(help="Passes over the texts; 1 if not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, in place of epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pieces of text a step; 64 if not given.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="The highest; 1e-3 of a small one, else 5e-5, if not given.")
    ] = None,
    dtype: Dtype = None,
    checkpoint_seconds: CheckpointSeconds = None,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    as_json: Json = False,
) -> None:
    """Make an encoder from texts alone: it guesses tokens, and no text is contrasted with another.

    Example: counterpoint pretrain texts.txt --output runs/start

    The same command after a kill goes on where it stopped. The folder is a model, and a base for fit.
    """
    from rich.console import Console

    from counterpoint.cli.fitting import progress
    from counterpoint.fitting import pretrain as run

    errors = Console(stderr=True)
    with progress(errors) as on_row:
        made = run(
            *sources,
            output=output,
            objective=objective,
            base=base,
            layers=layers,
            width=width,
            vocabulary=vocabulary,
            whole_words=whole_words,
            max_length=max_length,
            held_out=held_out,
            reading=reading(columns, schema, split, skip_bad),
            seed=seed,
            say=lambda sentence: errors.print(sentence, highlight=False, markup=False, soft_wrap=True),
            on_row=on_row,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            dtype=dtype,
            checkpoint_seconds=checkpoint_seconds,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(made.folder), "steps": made.steps, "figures": made.figures}))
        return
    if made.figures:
        typer.echo("Tokens of held-out texts; the floor is to say the most frequent one always:")
    for name in dict.fromkeys(figure.rsplit(" ", 1)[0] for figure in made.figures):
        loss, perplexity, right, floor = (
            made.figures[f"{name} {figure}"] for figure in ("loss", "perplexity", "accuracy", "floor")
        )
        typer.echo(f"  {name}: {right:.1%} right (floor {floor:.1%}), loss {loss:.3f}, perplexity {perplexity:,.1f}")


def first_layers(
    model: Annotated[
        str, typer.Argument(help="A transformer: a model folder, a file MODEL.gguf, a name on the hub, or minilm.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the smaller model.")],
    layers: Annotated[int, typer.Option(min=0, help="How many stay; 0: the embeddings.")] = 2,
    pooling: Annotated[str, typer.Option(help="mean, cls, max, last, weighted_mean or mean_sqrt_len.")] = "mean",
    max_length: Annotated[int | None, typer.Option(min=4, help="Tokens at which it cuts texts.")] = None,
) -> None:
    """Make an encoder of a language model's embeddings and first layers, which compare texts better than the whole.

    Example: counterpoint first-layers minilm --layers 2 --output runs/first

    The folder is a model, and a base for fit; --base smollm2 is made so.
    """
    from counterpoint.encoders import TransformerEncoder, load
    from counterpoint.encoders.adapting import first_layers as run
    from counterpoint.encoders.pooling import check_pooling
    from counterpoint.errors import InputError
    from counterpoint.files import check_output
    from counterpoint.fitting.bases import resolve_base

    check_pooling(pooling)
    check_output(output, "replaced folder", ours=["modules.json"], source=model)
    options: dict[str, Any] = {} if max_length is None else {"max_seq_length": max_length}
    encoder = load(resolve_base(model), backend="torch", **options)
    if not isinstance(encoder, TransformerEncoder):
        raise InputError(f"{model} is no transformer", fix="give one")
    encoder.pooling = cast("Pooling", pooling)
    run(encoder, layers).save(output)
    typer.echo(f"{output}: {layers} layers, {encoder.dim} dimensions, {pooling}-pooled")
