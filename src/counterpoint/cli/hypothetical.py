"""The options of `counterpoint search` that have a language model answer each query (HyDE)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoint.cli.options import note
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.generating import Hypothetical, Result

Hyde = Annotated[
    str | None,
    typer.Option(
        "--hyde",
        help="Search by what a language model answers, too: a folder, a hub name or a .gguf file; with --url its name "
        "there.",
    ),
]
Url = Annotated[
    str | None, typer.Option("--url", help="Of --hyde: an OpenAI-compatible server, http://localhost:8000/v1.")
]
TokenFrom = Annotated[
    str, typer.Option("--token-from", help="The environment variable with that server's access token.")
]
HydePassages = Annotated[int | None, typer.Option("--hyde-passages", min=1, help="Answers to each query; 8.")]
HydePrompt = Annotated[str | None, typer.Option("--hyde-prompt", help="What is asked, with {text} for the query.")]
HydeFallback = Annotated[
    bool, typer.Option("--hyde-fallback", help="Search by the query alone where nothing is written; else an error.")
]
Answers = Annotated[
    Path | None, typer.Option("--answers", help="The folder where answers are kept; INDEX.answers if not given.")
]


def hypothetical(
    encoder: Any,
    name: str | None,
    url: str | None,
    token_from: str,
    passages: int | None,
    template: str | None,
    fallback: bool,
    answers: Path | None,
    folder: Path,
    prompt: str | None,
) -> Hypothetical | None:
    """What these options make of a model of texts and its index; None without `--hyde`.

    Raises:
        InputError: An option that is nothing without it, a model of other things than texts, no such generator.
    """
    if name is None:
        given = {
            "--url": url,
            "--token-from": token_from,
            "--hyde-passages": passages,
            "--hyde-prompt": template,
            "--hyde-fallback": fallback,
            "--answers": answers,
        }
        if alone := [option for option, value in given.items() if value]:
            raise InputError(f"{alone[0]} is for --hyde", fix="name the language model with --hyde, or leave it out")
        return None
    from counterpoint.cli.generating import language_model
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.generating import Generator, Hypothetical
    from counterpoint.generating.hypothetical import PASSAGE

    if not isinstance(encoder, TextEncoder):
        raise InputError("--hyde is for models of texts alone", fix="leave it out")
    place = folder.resolve()
    kept = answers or place.with_name(place.name + ".answers")
    generator = Generator(language_model(name, url, token_from), kept, progress=True)
    return Hypothetical(encoder, generator, template or PASSAGE, passages=passages or 8, prompt=prompt)


def passages_for(knows: Hypothetical, query: str, fallback: bool) -> Sequence[Result[str]]:
    """What is written for a query; what is missing is said.

    Args:
        knows: Who writes.
        query: What is looked for.
        fallback: Whether nothing will do, too.

    Raises:
        InputError: Nothing is, and that will not do.
    """
    try:
        (results,) = knows.write([query])
        lost = [one.failure for one in results if one.value is None]
        if len(lost) == len(results):
            fix = "see to the language model, or add --hyde-fallback to search by the query alone then"
            raise InputError(f"nothing was written for {query!r} ({lost[0]})", fix=fix)
    except InputError as error:
        if not fallback:
            raise
        note(f"by the query alone: {error}")
        return []
    if lost:
        note(f"{len(lost)} of {len(results)} passages for {query!r} could not be had ({lost[0]})")
    return results
