"""`counterpoint index`."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoint.cli.options import Backend, Columns, OnRay, Schema, SkipBad, Split, Workers, note, reading, spreading
from counterpoint.cli.searching import folder_of, model_of, open_model
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.data import Documents
    from counterpoint.encoders import Spread
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.precision import Precision
    from counterpoint.search import Index
    from counterpoint.search._given import Embeddings


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
    ray: OnRay = None,
    workers: Workers = None,
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
    from counterpoint.search.exact import INDEXED, index_metric

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
        if (own := getattr(encoder, "similarity", "cosine")) not in INDEXED:
            note(f"the model compares by the {own} distance, which no index knows: this one takes the cosine")
        several, sparse = getattr(encoder, "several", False), getattr(encoder, "sparse", False) and not uri
        form: dict[str, Any] = {"precision": precision, "metric": index_metric(encoder), "uri": uri}
        Index.check_folder(output, **form, approximate=approximate, several=several, sparse=sparse)
        if dim is not None and isinstance(encoder, TextEncoder):
            check_dim(dim, encoder.width)
        given = {"prompt": prompt, "dim": dim, "passages": passages}
        settings = {name: value for name, value in given.items() if value is not None}
        with spreading(ray, workers) as spread:
            documents, z = _read_and_encode(
                encoder, source, options, output, settings, spread, several=several, sparse=sparse
            )
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
            kept = f"{precision} means of several float16 vectors" if made.several else f"{precision} vectors"
            kept += " without their zeros," * made.sparse
            vectors = f"{kept} of {made.dim:,} dimensions, {made.nbytes:,} bytes"
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
            with spreading(ray, workers) as spread:
                documents, z = _read_and_encode(
                    encoder,
                    source,
                    options,
                    output,
                    found.metadata,
                    spread,
                    several=found.several,
                    sparse=found.sparse,
                )
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
    encoder: Any,
    source: str,
    options: dict[str, Any],
    output: Path,
    settings: dict[str, Any],
    spread: Spread | None,
    *,
    several: bool,
    sparse: bool,
) -> tuple[Documents, Embeddings]:
    """What an index holds of a source, texts or whatever the model takes, and a vector each, or several."""
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
            return documents, _encoded(encoder, documents, settings, spread, several=several, sparse=sparse)
        if spread is not None:
            raise InputError("--ray is for models of texts alone", fix="leave it out")
        return documents, encoder.encode_items(Items("text", documents.texts), kind="document")
    of_texts = [name for name in ("prompt", "dim", "passages") if name in settings]
    if of_texts or spread is not None:
        raise InputError(f"--{next(iter(of_texts), 'ray')} is for texts", fix="leave it out")
    loaded = load_for(encoder, source, **options)
    note(loaded.account(output.with_name(output.name + ".rejected.jsonl")))
    return documents_of(loaded, encoder)


def _documents(source: str, options: dict[str, Any], output: Path) -> Documents:
    """The documents with their ids and columns; what was understood is said."""
    from counterpoint.data import Documents, account, debian, read_documents
    from counterpoint.data.reading import Reading
    from counterpoint.fitting import INCLUDED

    if source == INCLUDED:
        Reading(options["columns"] or {}, options["schema"], options["split"]).check(source, "the included corpus")
        corpus = debian().heldout.corpus
        return Documents(list(corpus), list(corpus.values()), {}, source, roles={"id": "package"})
    documents = read_documents(source, **options)
    note(account(documents, output.with_name(output.name + ".rejected.jsonl")))
    return documents


def _encoded(
    encoder: TextEncoder,
    documents: Documents,
    settings: dict[str, Any],
    spread: Spread | None,
    *,
    several: bool,
    sparse: bool,
) -> Embeddings:
    """The vectors, with the prompt and the dimensions of the index; what the model cuts or does not know is said."""
    from counterpoint.data.items import Items
    from counterpoint.encoders import encode_nonzero, unknown_note

    if several and spread is not None:
        raise InputError("--ray is for models of one vector a text", fix="leave it out")
    note(unknown_note(encoder, documents.texts))
    options: dict[str, Any] = {"kind": "document", "prompt": settings.get("prompt"), "progress": True}
    z: Embeddings
    with encoder.counting() as cut:
        if sparse:
            z = encode_nonzero(encoder, documents.texts, truncate_dim=settings.get("dim"), spread=spread, **options)
        elif several:
            items = Items("text", documents.texts)
            z = cast("Any", encoder).encode_each(items, half=True, truncate_dim=settings.get("dim"), **options)
        else:
            z = encoder.encode(documents.texts, truncate_dim=settings.get("dim"), spread=spread, **options)
    note(cut.sentence("documents"))
    return z


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
