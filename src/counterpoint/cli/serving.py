"""`counterpoint serve`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoint.cli.options import Backend
from counterpoint.errors import InputError, MissingExtra
from counterpoint.serving.limits import Limits

if TYPE_CHECKING:
    from counterpoint.search import Index

_EXTRA = {"fastapi", "starlette", "pydantic", "uvicorn", "h11", "prometheus_client"}


def serve(
    folder: Annotated[
        Path, typer.Argument(help="An index, a run of fit --index, or a model alone: then there is nothing to search.")
    ],
    host: Annotated[str, typer.Option(help="Where to listen; others than this machine need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for one that is free.")] = 8000,
    token: Annotated[
        str, typer.Option(help="What requests must show; better in the environment.", envvar="COUNTERPOINT_TOKEN")
    ] = "",
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Listen to other machines though anybody may ask.")
    ] = False,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let documents be added and taken out, by whoever may ask.")
    ] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="The folder of the pictures that documents are named after, to be shown.")
    ] = None,
    reranker: Annotated[
        str | None, typer.Option(help="A cross-encoder that scores what is reranked: a folder or a hub name.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Another place of the index's model.")] = None,
    name: Annotated[str | None, typer.Option(help="What requests call the model; its folder if not given.")] = None,
    backend: Backend = "auto",
    max_body: Annotated[int, typer.Option(help="Bytes of a request.")] = Limits.body,
    max_characters: Annotated[int, typer.Option(help="Characters of a text.")] = Limits.characters,
    max_inputs: Annotated[int, typer.Option(help="Texts of a request.")] = Limits.inputs,
    max_batch: Annotated[int, typer.Option(help="Texts that are encoded together.")] = Limits.batch,
    max_wait: Annotated[float, typer.Option(help="Milliseconds that a batch waits for more texts.")] = Limits.wait,
    max_queue: Annotated[int, typer.Option(help="Texts that wait; then 503 and Retry-After.")] = Limits.queue,
) -> None:
    """Serve embeddings, reranking and search over HTTP, and a page to search from.

    Example: counterpoint serve runs/fit --port 8000
    """
    try:
        from counterpoint.serving.app import application
        from counterpoint.serving.running import address, is_loopback, listen, run
        from counterpoint.serving.service import Service
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        raise MissingExtra(missing.replace("_", "-"), extra="serve") from error

    local = is_loopback(host)
    if not local and not token and not without_token:
        raise InputError(
            f"at {host} other machines could ask without a token",
            fix="set COUNTERPOINT_TOKEN, or say --without-token",
        )
    if token and (not token.isascii() or not token.isprintable() or " " in token):
        raise InputError("the token holds blanks or what is not ASCII", fix="use letters, digits and signs")
    if pictures is not None and not pictures.is_dir():
        raise InputError("is not a folder", file=pictures, fix="name the folder of the pictures")
    limits = Limits(max_body, max_characters, max_inputs, max_batch, max_wait, max_queue)
    with listen(host, port) as listening, contextlib.ExitStack() as stack:
        index, encoder, prompt = _opened(folder, model, backend)
        if index is not None:
            stack.enter_context(index)
        called = name or _name(folder)
        judge = None if reranker is None else _reranker(reranker)
        service = Service(encoder, called, index, prompt, judge, writable, pictures, limits)
        service.warm()
        hosts = {host, "localhost", "127.0.0.1", "[::1]", f"[{host}]"} if local and not token else None
        run(application(service, token=token, hosts=hosts), listening, lambda: _say(service, address(listening)))
    typer.echo("ended")


def _opened(folder: Path, model: str | None, backend: str) -> tuple[Index | None, Any, str | None]:
    """The index if it is one, the model, and what stands before queries."""
    from counterpoint.cli.searching import check_several, folder_of, for_queries, model_of, open_model
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.saving import saved_name
    from counterpoint.search import Index
    from counterpoint.serving.encoding import text_tower

    place = folder / "model" if saved_name(folder / "model") else folder
    if saved_name(place) == "KnowledgeGraph":
        raise InputError("a knowledge graph is not served", file=folder, fix="ask it with counterpoint search")
    if not folder.exists():
        raise InputError("there is no such folder", file=folder, fix="name an index, a run or a model")
    if not any((folder / name).exists() for name in ("index.json", "index/index.json", "run.json")):
        if model is not None:
            raise InputError("there is no index", file=folder, fix="leave --model out to serve a model alone")
        return None, open_model(str(folder), backend), None
    found = folder_of(folder)
    index = Index.open(found)
    try:
        encoder = open_model(model or model_of(found, index.metadata), backend)
        check_several(text_tower(encoder, "query") or encoder, index)
        prompt = for_queries(None, encoder, index.metadata) if isinstance(encoder, TextEncoder) else None
        return index, encoder, prompt
    except BaseException:
        index.close()
        raise


def _reranker(name: str) -> Any:
    """What scores a query and a document together (`counterpoint.serving.service.Reranker`)."""
    from counterpoint.encoders import load_cross_encoder

    return load_cross_encoder(name)


def _name(folder: Path) -> str:
    """What to call a model: runs/fit, runs/fit/model and runs/fit/index are all `fit`."""
    place = folder.resolve()
    return place.parent.name if place.name in ("model", "index") and place.parent.name else place.name


def _say(service: Any, where: str) -> None:
    index = service.index
    what = "a model" if index is None else f"{len(index):,} documents"
    typer.echo(f"serving {what} at {where} (Ctrl-C ends it); the model is {service.name!r}")
