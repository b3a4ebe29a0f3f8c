"""Prompts that belong to single texts (a row's own instruction), in place of the model's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import nn

from counterpoint.encoders._base import PROMPT_NAMES, TextEncoder
from counterpoint.encoders.features import Features, Kind, concat, take
from counterpoint.encoders.protocol import Encoder
from counterpoint.errors import refuse_string


def encode_prompted(
    encoder: Any, texts: Sequence[str], prompts: Sequence[str], *, kind: Kind = None, **options: Any
) -> Float[np.ndarray, "n d"]:
    """Encode texts, each after its own prompt where it has one, which takes the place of the encoder's.

    Args:
        encoder: Anything with `encode(texts, kind=...)`.
        texts: Without their prompts.
        prompts: One a text; "": the encoder's own, as `encode` puts it.
        kind: Chooses the encoder's own prompt.
        **options: Others of `encode`.

    Returns:
        One row a text, in order.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["find the red fox", "a blue ant"], dim=4, prompts={"query": "a "})
        >>> mixed = encode_prompted(encoder, ["red", "fox"], ["find ", ""], kind="query")
        >>> bool(np.array_equal(mixed, encoder.encode(["find red", "a fox"])))
        True
    """
    options |= {"kind": kind} if kind else {}
    parts = []
    for some, bare, _ in (groups := _groups(encoder, texts, prompts, kind)):
        with _without_prompt(encoder, kind) if bare else contextlib.nullcontext():
            parts.append(encoder.encode(some, **options))
    z: Float[np.ndarray, "n d"] = parts[0] if len(groups) == 1 else np.concatenate(parts)[_order(groups)]
    return z


def tokenize_prompted(encoder: Encoder, texts: Sequence[str], prompts: Sequence[str], kind: Kind = None) -> Features:
    """The tokens of what `encode_prompted` encodes."""
    parts = []
    for some, bare, _ in (groups := _groups(encoder, texts, prompts, kind)):
        with _without_prompt(encoder, kind) if bare else contextlib.nullcontext():
            parts.append(encoder.tokenize(some, kind))
    return parts[0] if len(groups) == 1 else take(concat(parts), torch.from_numpy(_order(groups)))


def own_prompt(encoder: Any, kind: Kind = None) -> str:
    """What an encoder puts before texts of this kind; "" for one that has no prompts.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> own_prompt(StaticEncoder.from_corpus(["a b"], dim=2, prompts={"query": "a "}), "query"), own_prompt(None)
        ('a ', '')
    """
    parts = _parts(encoder, kind)
    return parts[0].prompt(kind) if parts else ""


Group = tuple[list[str], bool, list[int]]


def _groups(encoder: Any, texts: Sequence[str], prompts: Sequence[str], kind: Kind) -> list[Group]:
    """Texts that get the encoder's prompt, and texts after their own; of each group the places of its texts."""
    refuse_string(texts, "texts")
    refuse_string(prompts, "prompts")
    model = own_prompt(encoder, kind)
    own = [bool(prompt) and prompt != model for prompt in prompts]
    groups = []
    for bare in dict.fromkeys(own) or (False,):
        rows = [i for i, mine in enumerate(own) if mine == bare]
        groups.append(([prompts[i] + texts[i] if bare else texts[i] for i in rows], bare, rows))
    return groups


def _order(groups: Sequence[Group]) -> Int64[np.ndarray, " n"]:
    return np.argsort(np.concatenate([rows for _, _, rows in groups]))


def _parts(encoder: Any, kind: Kind) -> list[TextEncoder]:
    """The encoder of texts of this kind, and what it holds (a dual encoder has one of queries and one of others)."""
    every = _outermost(encoder) if isinstance(encoder, nn.Module) else []
    chosen = every[:1] if kind == "query" else every[-1:]
    return [part for one in chosen for part in one.modules() if isinstance(part, TextEncoder)]


def _outermost(module: nn.Module) -> list[TextEncoder]:
    if isinstance(module, TextEncoder):
        return [module]
    return [found for child in module.children() for found in _outermost(child)]


@contextlib.contextmanager
def _without_prompt(encoder: Any, kind: Kind) -> Iterator[None]:
    """Within: nothing is put before texts of this kind."""
    parts = _parts(encoder, kind)
    before = [(part.prompts, part.default_prompt_name) for part in parts]
    try:
        for part in parts:
            if kind:
                part.prompts = {**part.prompts, PROMPT_NAMES[kind][0]: ""}
            else:
                part.default_prompt_name = None
        yield
    finally:
        for part, (prompts, default) in zip(parts, before, strict=True):
            part.prompts, part.default_prompt_name = prompts, default
