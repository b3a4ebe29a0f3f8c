"""`counterpoint search`, and what opens indices and models for others."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoint.cli.hypothetical import (
    Answers,
    Hyde,
    HydeFallback,
    HydePassages,
    HydePrompt,
    TokenFrom,
    Url,
    hypothetical,
    passages_for,
)
from counterpoint.cli.options import Backend, Json, note
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from counterpoint.encoders import exported
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.search import Fusion, Hit, Index

_LINES = 3  # of a hit's text that are shown


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
    fusion: Annotated[
        str, typer.Option(help="Of hybrid: by reciprocal ranks, or by scores, each brought to 0 to 1 and summed.")
    ] = "ranks",
    where: Annotated[
        list[str] | None,
        typer.Option(help="What a column must be: 'lang = en', 'year >= 1990', 'lang in en, de'; repeatable."),
    ] = None,
    rerank: Annotated[
        str | None, typer.Option(help="Put what is found in the order of a reranker: a folder or a hub name.")
    ] = None,
    candidates: Annotated[int, typer.Option(min=1, help="How many are put in its order.")] = 100,
    hyde: Hyde = None,
    url: Url = None,
    token_from: TokenFrom = "",
    hyde_passages: HydePassages = None,
    hyde_prompt: HydePrompt = None,
    hyde_fallback: HydeFallback = False,
    answers: Answers = None,
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
    from counterpoint.search.fusion import check_fusion

    if mode not in ("dense", "hybrid"):
        raise InputError(f"--mode is {mode}", fix="give dense or hybrid")
    check_fusion(fusion)
    if fusion != "ranks" and mode == "dense":
        raise InputError(f"--fusion {fusion} with --mode dense, which fuses nothing", fix="leave out one of the two")
    if not all(query.strip() for query in queries or ()):
        raise InputError("a query is empty", fix="give words, or no query to read them from standard input")
    console = Console(highlight=False)
    given = queries or filter(None, (line.strip() for line in sys.stdin))
    graphs = [place for place in (folder, folder / "model") if saved_name(place) == "KnowledgeGraph"]
    if graphs:
        of_texts = (prompt is not None, rerank, fusion != "ranks", hyde, url, hyde_passages, hyde_prompt, hyde_fallback)
        if any((where, model, *of_texts)):
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
        check_several(encoder, found, hyde is not None)
        generator = (hyde, url, token_from, hyde_passages, hyde_prompt, hyde_fallback, answers)
        knows = hypothetical(encoder, *generator, folder, found.metadata.get("prompt"))
        options = {"prompt": prompt, "truncate_dim": found.metadata.get("dim")}
        for query in given:
            items = asked(encoder, query)
            if found.several:
                z = encoder.encode_each(items, kind="query", **options)
            elif knows is not None:
                z = knows.encode_written([query], [passages_for(knows, query, hyde_fallback)], **options)
            elif isinstance(encoder, TextEncoder):
                z = encoder.encode([query], kind="query", **options)
            else:
                z = encoder.encode_items(items, kind="query")
            if judge is not None and items.modality != "text":
                raise InputError("--rerank reads texts, and a query is none", fix="leave it out")
            words = mode == "hybrid" and items.modality == "text"

            def nearest(depth: int, query: str = query, z: Any = z, words: bool = words) -> list[Hit]:
                if words:
                    return found.hybrid([query], z, k=depth, where=where, by=cast("Fusion", fusion))[0]
                return found.search(z, k=depth, where=where)[0]

            hits = best_passages(nearest, depth) if found.metadata.get("passages") else nearest(depth)
            if judge is not None:
                (hits,) = reranked_hits(judge.score, [query], [hits], offset + k)
            _tell(console, query, hits, as_json, offset)
        if knows is not None:
            note(knows.generator.account.sentence())


def check_several(encoder: Any, index: Index, hyde: bool = False) -> None:
    """Whether a model has several vectors a query where the index has them a document.

    Raises:
        InputError: It has one, or is asked for one by `hyde`.
    """
    if index.several and not getattr(encoder, "several", False):
        what = "the index has several vectors a document, and the model gives one"
        raise InputError(what, file=index.folder, fix="name the model that made it with --model")
    if index.several and hyde:
        raise InputError("--hyde is for models of one vector a text", fix="leave it out")


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


def for_queries(prompt: str | None, encoder: TextEncoder, metadata: dict[str, Any]) -> str | None:
    """What stands before queries: what is asked for, the model's own prompt for them if it has one, or the index's."""
    kept: str | None = metadata.get("prompt")
    if prompt is not None or kept is None or encoder.prompt("query") != encoder.prompt("document"):
        return prompt
    note(f"{kept!r} stands before every query, as before the documents; --prompt gives another, or none ('')")
    return kept
