"""`counterpoint export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from counterpoint.cli.options import Json, note

if TYPE_CHECKING:
    from counterpoint.encoders._graphs import Target
    from counterpoint.encoders.exported import Export


def export(
    model: Annotated[str, typer.Argument(help="A model folder, a name on the hub, or minilm.")],
    to: Annotated[str, typer.Option(help="openvino or onnx.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    int8: Annotated[bool, typer.Option(help="Quantise to int8: faster, vectors that differ a little.")] = False,
    calibrate: Annotated[
        str | None, typer.Option(help="Texts like yours: any file that fit takes; else of the included corpus.")
    ] = None,
    measure: Annotated[
        str | None, typer.Option(help="A test, as evaluate takes it, to measure with the original and the export.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile a transformer for this processor, measured against the original; what encodes then uses it.

    Example: counterpoint export runs/fit/model --to openvino --int8 --output runs/fast
    """
    import json

    from counterpoint.data import Retrieval, describe
    from counterpoint.exporting import export as make
    from counterpoint.fitting.bases import resolve_base
    from counterpoint.fitting.texts import read_source

    texts = None
    if calibrate is not None:
        data = read_source(calibrate)
        note(describe(data))
        texts = list(data.corpus.values()) if isinstance(data, Retrieval) else list(data.texts())
    test = None if measure is None else read_source(measure)
    steps = "compiling, calibrating and measuring" if int8 else "compiling and measuring"
    note(f"{steps} {model}: a minute or so for a small model")
    made = make(resolve_base(model), output, to=cast("Target", to), int8=int8, calibrate=texts, measure=test)
    if as_json:
        typer.echo(json.dumps(made.to_json()))
        return
    _show(made, output)


def _show(made: Export, output: Path) -> None:
    """What was measured, and what to do next."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "original, torch", made.name, title=f"{output}: {made.texts:,} texts, {made.threads} threads")
    sizes = [_megabytes(output / name) for name in ("model.safetensors", made.file)]
    table.add_row("size", *(f"{size:,.{int(size < 9.95)}f} MB" for size in sizes))
    table.add_row("texts a second", f"{made.torch_rate:,.0f}", f"{made.rate:,.0f}")
    table.add_row("mean cosine with the original", "", f"{made.mean_cosine:.4f}")
    table.add_row("least cosine", "", f"{made.least_cosine:.4f}")
    table.add_row("correlation of all pairs' cosines", "", f"{made.similarity:.4f}")
    for task, of, name, before, after in made.figures:
        table.add_row(f"{name}, {task} on {of}", f"{before:.4f}", f"{after:.4f}")
    console = Console()
    console.print(table)
    if made.calibration:
        typer.echo(f"calibrated on {made.calibration}, measured on others")
    if made.chosen:
        typer.echo(f"encode, index, search and evaluate now run {output} by the graph: --backend torch for the weights")
    else:
        why = "was not faster here" if made.rate <= made.torch_rate else "differs much from the original"
        typer.echo(f"the graph {why}, so that torch stays the default: --backend {made.target} for the graph")
    typer.echo(f"counterpoint encode texts.txt --model {output} --output vectors.npy")


def _megabytes(path: Path) -> float:
    parts = [path] if path.suffix != ".xml" else [path, path.with_suffix(".bin")]
    return sum(part.stat().st_size for part in parts) / 1e6
