"""Options that several commands share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.encoders import Spread

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        "-c",
        help="Which column has which role, ROLE=NAME such as positive=answer: anchor, positive, negative, score, "
        "label, pair_label (the class of a pair); of documents: id, title, text; repeatable.",
    ),
]
Schema = Annotated[str | None, typer.Option(help="texts, pairs, tuples, scored or labelled; recognised if not given.")]
Split = Annotated[
    str | None,
    typer.Option(help="Which part of a BEIR folder or a Hugging Face dataset, or which language of included:debian."),
]
SkipBad = Annotated[bool, typer.Option(help="Leave bad rows out, say how many, and list them in a file with reasons.")]
Language = Annotated[str, typer.Option(help="Of the texts, for BM25's stems: auto, none, or a name such as german.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Model = Annotated[str, typer.Option("--model", "-m", help="A model folder, a name on the hub, or minilm.")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")]
CheckpointSeconds = Annotated[float | None, typer.Option(help="Save so often: at most so much work is lost in a kill.")]
Backend = Annotated[
    str, typer.Option(help="torch, openvino or onnx; auto: the folder's exported graph, if it was measured faster.")
]

OnRay = Annotated[
    str | None,
    typer.Option("--ray", help="Encode on a Ray cluster: HOST:PORT, auto, or local for one on this machine."),
]
Workers = Annotated[int | None, typer.Option(help="Of the Ray cluster: one a GPU, else one a processor, by default.")]


@contextlib.contextmanager
def spreading(ray: str | None, workers: int | None) -> Iterator[Spread | None]:
    """Within: the cluster that is asked for, or None."""
    if ray is None:
        if workers is not None:
            raise InputError("--workers are those of a Ray cluster", fix="say which with --ray, or leave it out")
        yield None
        return
    from counterpoint.encoders import on_ray

    with on_ray(ray, workers) as spread:
        note(f"encoding on {spread.workers} workers of the Ray cluster {ray}")
        yield spread


def note(sentence: str) -> None:
    """A remark on standard error, if there is one."""
    if sentence:
        typer.echo(f"note: {sentence}", err=True)


def reading(columns: list[str] | None, schema: str | None, split: str | None, skip_bad: bool) -> dict[str, Any]:
    """The options of `counterpoint.data.read`.

    Examples:
        >>> reading(["anchor=title"], None, "train", False)["columns"]
        {'anchor': 'title'}
    """
    return {"columns": role_columns(columns), "schema": schema, "split": split, "skip_bad": skip_bad}


def role_columns(columns: list[str] | None) -> dict[str, str | tuple[str, ...]] | None:
    """`["anchor=title", "negative=a", "negative=b"]` as a mapping.

    Examples:
        >>> role_columns(["anchor=title", "negative=a", "negative=b"])
        {'anchor': 'title', 'negative': ('a', 'b')}
    """
    if not columns:
        return None
    found: dict[str, list[str]] = {}
    for item in columns:
        role, equals, name = item.partition("=")
        if not (role and equals and name):
            raise InputError(f"--column {item} is not ROLE=NAME", fix="write, for example, --column anchor=title")
        found.setdefault(role, []).append(name)
    return {role: names[0] if len(names) == 1 else tuple(names) for role, names in found.items()}
