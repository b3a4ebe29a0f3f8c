"""`counterpoint index` and `search`."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoint.cli.options import Backend, Columns, Json, Schema, SkipBad, Split, note, reading
from counterpoint.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from rich.console import Console

    from counterpoint.data import Documents
    from counterpoint.encoders import exported
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.precision import Precision
    from counterpoint.search import Hit, Index

_LINES = 3  # of a hit's text that are shown


def index(
    source: Annotated[
        str | None, typer.Argument(help="Documents: a corpus with ids and columns, or any file that fit takes.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the index.")] = Path("runs/index"),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A model folder, a name on the hub, or minilm (the default).")
    ] = None,
    backend: Backend = "auto",
    add: Annotated[
        bool, typer.Option("--add", help="Add to the index; documents with a known id are replaced.")
    ] = False,
    delete: Annotated[
        list[str] | None, typer.Option("--delete", help="The id of a document to take out; repeatable.")
    ] = None,
    delete_from: Annotated[
        Path | None, typer.Option("--delete-from", help="A file of ids to take out, one a line.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Put before every document, instead of the model's prompt; kept for --add.")
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Keep only so many first dimensions of the vectors.")] = None,
    passages: Annotated[
        int | None,
        typer.Option(min=1, help="Divide documents into passages of so many words at most; a search shows the best."),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="float32; int8, a quarter of the bytes; or binary, bits beside int8: faster, nearly exact."),
    ] = "float32",
    language: Annotated[str, typer.Option(help="Of the texts, for BM25; recognised if not given.")] = "auto",
    approximate: Annotated[
        bool | None,
        typer.Option(
            "--approximate/--exact", help="Most of the nearest, faster: so it is from a million documents on."
        ),
    ] = None,
    uri: Annotated[str, typer.Option(help="A Milvus cluster, http://HOST:19530; the folder if not given.")] = "",
    token: Annotated[str, typer.Option(help="For a cluster.", envvar="MILVUS_TOKEN")] = "",
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
) -> None:
    """Make a folder that can be searched, add to it, take documents out.

    Example: counterpoint index documents.jsonl --model runs/fit/model --output runs/index
    """
    from counterpoint.data.passages import DOCUMENT
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.encoding import check_dim
    from counterpoint.search import Index, passages_of

    remove = _to_remove(delete, delete_from)
    asked = prompt is not None or dim is not None or passages is not None or precision != "float32"
    if (add or remove) and (uri or language != "auto" or approximate is not None or asked):
        raise InputError(
            "--uri, --language, --approximate, --passages, --prompt, --dim and --precision are said when an index is "
            "made",
            fix="leave them out",
        )
    if source is None and (add or not remove):
        raise InputError("there is nothing to index", fix="name a file of documents, or ids with --delete")
    if source is not None and remove and not add:
        raise InputError("documents and --delete", fix="add --add to do both, or do one after the other")
    options = reading(columns, schema, split, skip_bad)
    if not (add or remove):
        assert source is not None
        Index.check_folder(
            output, source=source, language=language, precision=precision, approximate=approximate, uri=uri
        )
        encoder = open_model(model or "minilm", backend)
        if dim is not None and isinstance(encoder, TextEncoder):
            check_dim(dim, encoder.width)
        given = {"prompt": prompt, "dim": dim, "passages": passages}
        settings = {name: value for name, value in given.items() if value is not None}
        documents, z = _read_and_encode(encoder, source, options, output, settings)
        # a folder is found again from wherever the index stands; a name stays a name
        where = os.path.relpath(model, output) if model and Path(model).is_dir() else model or "minilm"
        with Index.build(
            output,
            documents.ids,
            documents.texts,
            z,
            columns=documents.columns,
            encoder=encoder,
            metadata={"model": where, **settings},
            language=language,
            precision=cast("Precision", precision),
            approximate=approximate,
            uri=uri,
            token=token,
        ) as made:
            vectors = f"{precision} vectors of {made.dim:,} dimensions, {made.nbytes:,} bytes"
            what = "passages" if passages else "documents"
            typer.echo(f"{output}: {len(documents):,} {what}; {vectors}; BM25: {made.describe_words()}")
            if (recall := made.recall) is not None:
                typer.echo(f"approximate: finds {recall:.3f} of the ten nearest (measured against exact search)")
            elif approximate and not uri:
                typer.echo("exact all the same: with so few documents it is as fast")
        return
    folder = folder_of(output)
    with Index.open(folder, token=token) as found:
        if remove:
            # a document that is there has a first passage
            first = [f"{name}#1" for name in remove] if found.metadata.get("passages") else remove
            missing = [name for name, held in zip(remove, found.get(first), strict=True) if held is None]
            rows = passages_of(found, remove) if found.metadata.get("passages") else remove
            gone = found.delete(rows)
            more = ", ..." if len(missing) > 5 else ""
            unknown = f"; not in the index: {', '.join(missing[:5])}{more}" if missing else ""
            what = "passage" if found.metadata.get("passages") else "document"
            typer.echo(f"{folder}: {gone:,} {what}{'s' * (gone != 1)} taken out, {len(found):,} left{unknown}")
        if add:
            assert source is not None
            encoder = open_model(model or model_of(folder, found.metadata), backend)
            found.check(encoder)
            found.check_writable()
            documents, z = _read_and_encode(encoder, source, options, output, found.metadata)
            documents = _with_free_ids(documents, found)
            before = len(found)
            # a document that is replaced may have had more passages, which go when the new ones are there
            had = passages_of(found, documents.columns.get(DOCUMENT, [])) if found.metadata.get("passages") else []
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", UserWarning)
                found.add(documents.ids, documents.texts, z, columns=documents.columns)
            for warning in said:
                note(str(warning.message))
            new = len(found) - before
            found.delete(sorted(set(had) - set(documents.ids)))
            what = "passages" if found.metadata.get("passages") else "documents"
            typer.echo(f"{folder}: {new:,} added, {len(documents) - new:,} replaced, {len(found):,} {what} in all")


def search(
    folder: Annotated[Path, typer.Argument(help="An index, or a run of fit --index.")],
    queries: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to look for: words, the file of a picture, 'HEAD | RELATION | ?'; lines of standard input if "
            "not given."
        ),
    ] = None,
    k: Annotated[int, typer.Option("--top", "-k", min=1, help="Results a query.")] = 5,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many of the best: the next page.")] = 0,
    mode: Annotated[str, typer.Option(help="dense: by meaning; hybrid: fused with BM25.")] = "hybrid",
    where: Annotated[
        list[str] | None,
        typer.Option(help="What a column must be: 'lang = en', 'year >= 1990', 'lang in en, de'; repeatable."),
    ] = None,
    rerank: Annotated[
        str | None, typer.Option(help="Put what is found in the order of a reranker: a folder or a hub name.")
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, help="How many are put in its order.")] = 100,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Another place of the index's model.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Put before every query, instead of the model's prompt or the index's.")
    ] = None,
    backend: Backend = "auto",
    token: Annotated[str, typer.Option(help="For a cluster.", envvar="MILVUS_TOKEN")] = "",
    as_json: Json = False,
) -> None:
    """Search an index.

    Example: counterpoint search runs/fit "play chess against the computer"
    """
    from rich.console import Console

    from counterpoint.cli.items import asked, completed
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.crossing import load_cross_encoder
    from counterpoint.encoders.saving import saved_name
    from counterpoint.search import Hit, Index, best_passages
    from counterpoint.search import rerank as reranked_hits

    if mode not in ("dense", "hybrid"):
        raise InputError(f"--mode is {mode}", fix="give dense or hybrid")
    if not all(query.strip() for query in queries or ()):
        raise InputError("a query is empty", fix="give words, or no query to read them from standard input")
    console = Console(highlight=False)
    given = queries or filter(None, (line.strip() for line in sys.stdin))
    graphs = [place for place in (folder, folder / "model") if saved_name(place) == "KnowledgeGraph"]
    if graphs:
        if where or prompt is not None or model or rerank:
            raise InputError(
                "a knowledge graph has no columns, no prompts, no texts and one model", fix="leave these options out"
            )
        graph = open_model(str(graphs[0]))
        for query in given:
            _tell(console, query, [Hit(n, s, "", {}) for n, s in completed(graph, query, offset + k)], as_json, offset)
        return
    folder = folder_of(folder)
    judge = None if rerank is None else load_cross_encoder(rerank)
    depth = offset + k if judge is None else max(offset + k, candidates)
    with Index.open(folder, token=token) as found:
        encoder = open_model(model or model_of(folder, found.metadata), backend)
        found.check(encoder)
        if isinstance(encoder, TextEncoder):
            prompt = for_queries(prompt, encoder, found.metadata)
        elif prompt is not None:
            raise InputError("--prompt is for models of texts alone", fix="leave it out")
        for query in given:
            items = asked(encoder, query)
            if isinstance(encoder, TextEncoder):
                z = encoder.encode([query], kind="query", prompt=prompt, truncate_dim=found.metadata.get("dim"))
            else:
                z = encoder.encode_items(items, kind="query")
            if judge is not None and items.modality != "text":
                raise InputError("--rerank reads texts, and a query is none", fix="leave it out")
            words = mode == "hybrid" and items.modality == "text"

            def nearest(depth: int, query: str = query, z: Any = z, words: bool = words) -> list[Hit]:
                if words:
                    return found.hybrid([query], z, k=depth, where=where)[0]
                return found.search(z, k=depth, where=where)[0]

            hits = best_passages(nearest, depth) if found.metadata.get("passages") else nearest(depth)
            if judge is not None:
                (hits,) = reranked_hits(judge.score, [query], [hits], offset + k)
            _tell(console, query, hits, as_json, offset)


def _tell(console: Console, query: str, found: Sequence[Hit], as_json: bool, offset: int = 0) -> None:
    """A query and what was found, from a place on."""
    hits = found[offset:]
    if as_json:
        rows = [{"id": h.id, "score": h.score, "text": h.text, "columns": h.columns} for h in hits]
        typer.echo(json.dumps({"query": query, "hits": rows}, ensure_ascii=False))
        return
    console.print(f"\n{query}", style="bold", markup=False)
    if not hits:
        console.print("     nothing more found" if offset else "     nothing found", style="dim")
    for rank, hit in enumerate(hits, offset + 1):
        _show(console, rank, hit)


def _show(console: Console, rank: int, hit: Hit) -> None:
    """A hit in a few lines as wide as the terminal: rank, score, id and text, then the columns."""
    from rich.text import Text

    head = f"{rank:3d}  {hit.score:.3f}  "
    said = " ".join(hit.text.split())[:1000]
    text = Text(hit.id if said in ("", hit.id) else f"{hit.id}: {said}")
    about = Text("  ".join(f"{name}={value}" for name, value in hit.columns.items())[:1000], style="dim")
    width = max(20, console.width - len(head))
    for part, most in ((text, _LINES), (about, 1)):
        lines = part.wrap(console, width)
        for number, line in enumerate(lines[:most]):
            if number == most - 1 and len(lines) > most:
                line.truncate(width - 1)
                line.append("…")
            if line:
                console.print(Text(head if number == 0 and part is text else " " * len(head)) + line, soft_wrap=True)


def open_model(name: str, backend: str = "auto") -> Any:
    """The encoder of a folder, a hub name, or minilm; what runs it is said if it is not torch."""
    from counterpoint.encoders import load
    from counterpoint.encoders.exported import ExportedEncoder
    from counterpoint.fitting.bases import resolve_base

    encoder: TextEncoder = load(resolve_base(name), backend=cast("exported.Backend", backend))
    if isinstance(encoder, ExportedEncoder):
        note(f"{name}: {encoder.export.describe()}; --backend torch is the original")
    return encoder


def model_of(folder: Path, metadata: dict[str, object]) -> str:
    """Where the model of an index is: a folder, which is named as it lies from the index, or a name on the hub."""
    name = str(metadata.get("model", ""))
    if not name:
        raise InputError("the index does not say which model made it", file=folder, fix="name it with --model")
    beside = folder / name
    return str(beside.resolve()) if beside.is_dir() else name


def folder_of(folder: Path) -> Path:
    """An index, or the one of a run."""
    if (folder / "index" / "index.json").exists():
        return folder / "index"
    if not (folder / "index.json").exists() and (folder / "run.json").exists() and (folder / "model").is_dir():
        made = f"counterpoint index DOCUMENTS --model {folder / 'model'} --output {folder / 'index'}"
        raise InputError("this run has no index", file=folder, fix=f"make one with: {made}")
    return folder


def _to_remove(ids: list[str] | None, file: Path | None) -> list[str]:
    """The ids to take out, those of a file one a line."""
    listed: list[str] = []
    if file is not None:
        try:
            listed = [line for line in file.read_text("utf-8-sig").splitlines() if line]
        except (OSError, ValueError) as error:
            raise InputError(
                f"the ids cannot be read ({error})", file=file, fix="give a text file, one a line"
            ) from error
        if not listed:
            raise InputError("there are no ids", file=file, fix="write one a line")
    return list(dict.fromkeys([*(ids or []), *listed]))


def _read_and_encode(
    encoder: Any, source: str, options: dict[str, Any], output: Path, settings: dict[str, Any]
) -> tuple[Documents, Float[np.ndarray, "n d"]]:
    """What an index holds of a source, texts or whatever the model takes, and a vector each."""
    from counterpoint.cli.items import documents_of, load_for
    from counterpoint.data import in_passages
    from counterpoint.data.items import Items
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.fitting.parts import kind_of_source

    if kind_of_source(source, options["columns"]) == "texts":
        documents = _documents(source, options, output)
        if size := settings.get("passages"):
            documents = in_passages(documents, size)
        if isinstance(encoder, TextEncoder):
            return documents, _encoded(encoder, documents, settings)
        return documents, encoder.encode_items(Items("text", documents.texts), kind="document")
    if settings:
        raise InputError(f"--{next(iter(settings))} is for texts", fix="leave it out")
    loaded = load_for(encoder, source, **options)
    note(loaded.account(output.with_name(output.name + ".rejected.jsonl")))
    return documents_of(loaded, encoder)


def _documents(source: str, options: dict[str, Any], output: Path) -> Documents:
    """The documents with their ids and columns; what was understood is said."""
    from counterpoint.data import Documents, account, debian, read_documents
    from counterpoint.fitting import INCLUDED

    if source == INCLUDED:
        corpus = debian().heldout.corpus
        return Documents(list(corpus), list(corpus.values()), {}, source, roles={"id": "package"})
    documents = read_documents(source, **options)
    note(account(documents, output.with_name(output.name + ".rejected.jsonl")))
    return documents


def for_queries(prompt: str | None, encoder: TextEncoder, metadata: dict[str, Any]) -> str | None:
    """What stands before queries: what is asked for, the model's own prompt for them if it has one, or the index's."""
    kept: str | None = metadata.get("prompt")
    if prompt is not None or kept is None or encoder.prompt("query") != encoder.prompt("document"):
        return prompt
    note(f"{kept!r} stands before every query, as before the documents; --prompt gives another, or none ('')")
    return kept


def _encoded(encoder: TextEncoder, documents: Documents, settings: dict[str, Any]) -> Float[np.ndarray, "n d"]:
    """A vector each, with the prompt and the dimensions of the index; what it cuts or does not know is said."""
    from counterpoint.encoders import unknown_note

    note(unknown_note(encoder, documents.texts))
    with encoder.counting() as cut:
        z_nd: np.ndarray = encoder.encode(
            documents.texts,
            kind="document",
            prompt=settings.get("prompt"),
            truncate_dim=settings.get("dim"),
            progress=True,
        )
    note(cut.sentence("documents"))
    return z_nd


def _with_free_ids(documents: Documents, found: Index) -> Documents:
    """Documents without ids of their own get numbers that no document has, so that none is replaced by chance."""
    from dataclasses import replace

    if "id" in documents.roles:
        return documents
    if found.metadata.get("passages"):
        raise InputError("documents that are added to passages have no ids", fix="give them a column of ids")
    start = len(found)
    while any(found.get(names := [f"d{start + i}" for i in range(len(documents))])):
        start += len(documents)
    note(f"without ids of their own, they are {names[0]} to {names[-1]}")
    return replace(documents, ids=names)
