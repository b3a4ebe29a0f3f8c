"""`counterpoint index` and `search`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoint.cli.options import Columns, Json, Model, Schema, SkipBad, Split, reading
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder


def index(
    source: Annotated[str, typer.Argument(help="Documents: any file that fit takes; of pairs, the positives.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the index.")] = Path("runs/index"),
    model: Model = "minilm",
    uri: Annotated[str, typer.Option(help="A Milvus cluster, http://HOST:19530; a file of its own if not given.")] = "",
    token: Annotated[str, typer.Option(help="For a cluster.", envvar="MILVUS_TOKEN")] = "",
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
) -> None:
    """Make a folder that can be searched.

    Example: counterpoint index documents.txt --model runs/fit/model --output runs/index
    """
    import os

    from counterpoint.search import Index

    documents = dict(_documents(source, reading(columns, schema, split, skip_bad), output))
    z = open_model(model).encode(documents.values(), kind="document", progress=True)
    # a folder is found again from wherever the index stands; a name stays a name
    where = os.path.relpath(model, output) if Path(model).is_dir() else model
    with Index.build(
        output, list(documents), list(documents.values()), z, metadata={"model": where}, uri=uri, token=token
    ):
        typer.echo(f"{output}: {len(documents):,} documents")


def search(
    folder: Annotated[Path, typer.Argument(help="An index, or a run of fit --index.")],
    queries: Annotated[
        list[str] | None, typer.Argument(help="What to look for; lines of standard input if not given.")
    ] = None,
    k: Annotated[int, typer.Option("--top", "-k", min=1, help="Results a query.")] = 5,
    mode: Annotated[str, typer.Option(help="dense: by meaning; hybrid: fused with BM25.")] = "hybrid",
    model: Annotated[str | None, typer.Option("--model", "-m", help="Another place of the index's model.")] = None,
    token: Annotated[str, typer.Option(help="For a cluster.", envvar="MILVUS_TOKEN")] = "",
    as_json: Json = False,
) -> None:
    """Search an index.

    Example: counterpoint search runs/fit "play chess against the computer"
    """
    from rich.console import Console

    from counterpoint.search import Index

    if mode not in ("dense", "hybrid"):
        raise InputError(f"--mode is {mode}", fix="give dense or hybrid")
    folder = folder / "index" if (folder / "index" / "index.json").exists() else folder
    console = Console(highlight=False)
    with Index.open(folder, token=token) as found:
        encoder = open_model(model or _model_of(folder, found.metadata))
        for query in queries or (line.strip() for line in sys.stdin):
            if not query:
                continue
            z = encoder.encode([query], kind="query")
            hits = found.hybrid([query], z, k=k)[0] if mode == "hybrid" else found.search(z, k=k)[0]
            if as_json:
                rows = [{"id": h.id, "score": h.score, "text": h.text} for h in hits]
                typer.echo(json.dumps({"query": query, "hits": rows}, ensure_ascii=False))
                continue
            console.print(f"\n{query}", style="bold", markup=False)
            for rank, hit in enumerate(hits, 1):
                text = " ".join(hit.text.split())
                console.print(f"{rank:3d}  {hit.score:.3f}  {hit.id}: {text[:160]}", markup=False, soft_wrap=True)


def open_model(name: str) -> TextEncoder:
    """The encoder of a folder, a hub name, or minilm."""
    from counterpoint.fitting.bases import make_base

    if name == "static":
        raise InputError("static is a base to train from, not a model", fix="give the folder of a trained model")
    return make_base(name, (), seed=0)


def _model_of(folder: Path, metadata: dict[str, object]) -> str:
    name = str(metadata.get("model", ""))
    if not name:
        raise InputError("the index does not say which model made it", file=folder, fix="name it with --model")
    beside = folder / name
    return str(beside.resolve()) if beside.is_dir() else name


def _documents(source: str, options: dict[str, Any], output: Path) -> Iterator[tuple[str, str]]:
    """Ids and texts of documents."""
    from counterpoint.data import account, debian, read_documents
    from counterpoint.fitting import INCLUDED

    if source == INCLUDED:
        yield from debian().heldout.corpus.items()
        return
    documents = read_documents(source, **options)
    typer.echo(account(documents, output.with_name(output.name + ".rejected.jsonl")), err=True)
    yield from zip(documents.ids, documents.texts, strict=True)
