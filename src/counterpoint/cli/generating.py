"""`counterpoint generate`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoint.cli.options import Columns, Json, Schema, SkipBad, Split, note, reading
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.data import Documents
    from counterpoint.generating import Answer, LanguageModel, Message, Price, Result

_OWN = ("id", "text", "sample", "answer", "failure", "said")
"""What a row of the output says itself."""


def generate(
    source: Annotated[str, typer.Argument(help="Texts: any file that fit takes.")],
    prompt: Annotated[
        str, typer.Option("--prompt", "-p", help="What is asked of each, with {text}, {id} and other columns.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .jsonl file, a line an answer.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A folder, a hub name or a .gguf file; with --url its name there.")
    ],
    url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, such as http://localhost:8000/v1.")
    ] = None,
    token_from: Annotated[str, typer.Option(help="The environment variable with the server's access token.")] = "",
    system: Annotated[str | None, typer.Option(help="What the model is told first, with the same columns.")] = None,
    chat: Annotated[
        bool | None, typer.Option("--chat/--plain", help="Prompts are turns, or texts that are gone on with.")
    ] = None,
    parse: Annotated[
        str,
        typer.Option(
            help="What an answer must be: whole, line, lines, number:0:1, choice:yes:no, json-list, json:NAME:..."
        ),
    ] = "whole",
    samples: Annotated[int, typer.Option(min=1, help="Answers to each prompt.")] = 1,
    tries: Annotated[int, typer.Option(min=1, help="Times that one is asked for until it can be parsed.")] = 3,
    temperature: Annotated[float, typer.Option(help="0: the likeliest token each time.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Of the probability, the share that tokens are drawn from.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Of an answer.")] = 128,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends an answer; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Of a local model: prompts computed at once.")] = 16,
    dtype: Annotated[str, typer.Option(help="Of a local model: auto, float32 or bfloat16.")] = "auto",
    at_once: Annotated[int, typer.Option(help="Of a server: requests under way at a time.")] = 8,
    timeout: Annotated[float, typer.Option(help="Of a server: seconds that an answer may take.")] = 120.0,
    price: Annotated[
        str | None, typer.Option(help="Of a million tokens read and of a million written, such as 0.15:0.6.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help="In the price's currency: stop once so much is spent.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="The folder where answers are kept; OUTPUT.answers if not given.")
    ] = None,
    columns: Columns = None,
    schema: Schema = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Ask a language model something about each text; resumable.

    Example: counterpoint generate texts.txt --model HuggingFaceTB/SmolLM2-135M-Instruct
    --prompt "Say in other words: {text}" --parse line --output pairs.jsonl

    Every answer is kept as soon as it is there: the same command goes on where it stopped and pays for nothing twice.
    """
    from counterpoint.data import account, read_documents
    from counterpoint.files import atomic, check_output, remove
    from counterpoint.generating import Generator, Sampling

    check_output(output, "file", suffix=".jsonl", source=source)
    parser, cost = parser_of(parse), price_of(price)
    sampling = Sampling(max_tokens, temperature, top_p, tuple(stop or ()), seed)
    documents = read_documents(source, **reading(columns, schema, split, skip_bad), anchors=True)
    note(account(documents, output.with_name(output.name + ".rejected.jsonl")))
    if lost := [name for name in documents.columns if name in _OWN]:
        note(f"not in {output}, whose rows have such columns of their own: {', '.join(map(repr, lost))}")
    prompts = prompts_of(documents, prompt, system)
    kept = answers or output.with_name(output.name + ".answers")
    asked = language_model(model, url, token_from, chat, batch_size, dtype, at_once, timeout)
    generator = Generator(asked, kept, price=cost, budget=budget, progress=True)
    results = generator.ask(prompts, parser, sampling, samples=samples, tries=tries)
    rows, failed = rows_of(documents, results)
    if rows:
        with atomic(output) as part:
            part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    failures = output.with_name(output.name + ".failed.jsonl")
    remove(failures)
    if failed:
        with atomic(failures) as part:
            part.write_text("".join(json.dumps(row) + "\n" for row in failed), encoding="utf-8")
        note(f"{len(failed):,} of {len(rows) + len(failed):,} failed, listed with the reasons in {failures}")
    if not rows:
        note(generator.account.sentence())
        said = any(row["said"] for row in failed)
        fix = "change the prompt or --parse" if said else "see to the model and run the same again"
        raise InputError(f"no answer can be used ({failed[0]['failure']})", file=failures, fix=fix)
    if as_json:
        figures = {k: v for k, v in dataclasses.asdict(generator.account).items() if k != "price"}
        told = {
            "output": str(output),
            "rows": len(rows),
            "failed": len(failed),
            **figures,
            "cost": generator.account.cost,
        }
        typer.echo(json.dumps(told))
    else:
        typer.echo(
            f"{output}: {len(rows):,} row{'s' * (len(rows) != 1)}\n{generator.account.sentence()}\n{kept}: every answer"
        )


def parser_of(text: str) -> Callable[[Answer], Any]:
    """What `--parse` names.

    Examples:
        >>> from counterpoint.generating import Answer
        >>> parser_of("number:0:5")(Answer("4.5"))
        4.5
    """
    from counterpoint import generating

    plain: dict[str, Callable[[Answer], Any]] = {
        "whole": generating.whole,
        "line": generating.one_line,
        "lines": generating.lines,
        "json-list": generating.json_list,
    }
    name, *rest = text.split(":")
    if name in plain and not rest:
        return plain[name]
    if name == "number" and len(rest) == 2:
        try:
            low, high = map(float, rest)
        except ValueError as error:
            raise InputError(f"--parse {text} has no two numbers", fix="write, for example, number:0:1") from error
        if not low <= high:
            raise InputError(f"--parse {text} lets no number through", fix="give the smaller one first")
        return generating.number(low, high)
    if name in ("choice", "json") and rest and all(rest):
        return generating.choice(*rest) if name == "choice" else generating.json_fields(*rest)
    fix = "give whole, line, lines, number:LOW:HIGH, choice:WORD:WORD..., json-list or json:NAME:NAME..."
    raise InputError(f"--parse is {text}", fix=fix)


def price_of(text: str | None) -> Price | None:
    """What `--price` says.

    Examples:
        >>> price_of("0.15:0.6")
        Price(prompt=0.15, written=0.6)
    """
    from counterpoint.generating import Price

    if text is None:
        return None
    try:
        read, written = map(float, text.split(":"))
    except ValueError as error:
        raise InputError(f"--price is {text}", fix="write READ:WRITTEN, for example 0.15:0.6") from error
    return Price(read, written)


def prompts_of(documents: Documents, template: str, system: str | None) -> list[str | tuple[Message, ...]]:
    """The prompt of each document.

    Raises:
        InputError: A column that is not there, or of which a row has nothing; the same prompt for all.
    """
    from counterpoint.generating import Message, fill

    made: list[str | tuple[Message, ...]] = []
    for i, (own, text) in enumerate(zip(documents.ids, documents.texts, strict=True)):
        cells = {name: values[i] for name, values in documents.columns.items()}
        fields = {name: str(cell) for name, cell in cells.items() if cell is not None} | {"id": own, "text": text}
        try:
            asked = fill(template, **fields)
            made.append(
                asked if system is None else (Message("system", fill(system, **fields)), Message("user", asked))
            )
        except InputError as error:
            # of pairs and the like only the anchors are read
            more = "" if documents.columns else "; with --column text=NAME all columns of a table can be named"
            what = f"row {i + 1}: {error.what}"
            raise InputError(what, file=documents.source, fix=error.fix + more) from error
    if len(set(made)) == 1 < len(set(documents.texts)):
        raise InputError("the prompt is the same for all texts", fix="write {text} where the text is to stand")
    return made


def rows_of(
    documents: Documents, results: list[list[Result[Any]]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row for each answer that is what was asked for, and one with the reason for each that is not.

    Each has the columns of its document, too, but for those that are called like one of the row itself.
    """
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    others = {name: cells for name, cells in documents.columns.items() if name not in _OWN}
    for i, (own, text, several) in enumerate(zip(documents.ids, documents.texts, results, strict=True)):
        for sample, result in enumerate(several):
            row: dict[str, Any] = {"id": own, "text": text, **{name: cells[i] for name, cells in others.items()}}
            row |= {"sample": sample}
            if result.value is not None:
                rows.append(row | {"answer": result.value})
            else:
                failed.append(row | {"failure": result.failure, "said": [a.text for a in result.answers]})
    return rows, failed


def language_model(
    name: str,
    url: str | None = None,
    token_from: str = "",
    chat: bool | None = None,
    batch_size: int = 16,
    dtype: str = "auto",
    at_once: int = 8,
    timeout: float = 120.0,
) -> LanguageModel:
    """What these options of `generate` name.

    Examples:
        >>> language_model("qwen", "http://localhost:8000/v1").identity
        'http://localhost:8000/v1 qwen chat'
    """
    from counterpoint.generating import CausalLM, Endpoint

    if url is not None:
        return Endpoint(url, name, chat is not False, token_from, at_once=at_once, timeout=timeout)
    if token_from:
        raise InputError("--token-from is for a server", fix="give its --url, too")
    if dtype not in ("auto", "float32", "bfloat16"):
        raise InputError(f"--dtype is {dtype}", fix="give auto, float32 or bfloat16")
    return CausalLM.load(name, dtype=dtype, batch_size=batch_size, chat=chat)  # type: ignore[arg-type]
