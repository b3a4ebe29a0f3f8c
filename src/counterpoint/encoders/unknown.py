"""How much of texts an encoder's tokenizer does not know."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from counterpoint.encoders.protocol import Encoder
from counterpoint.errors import refuse_string

_TEXTS, _WORTH_SAYING = 2000, 0.05


def unknown_share(encoder: Encoder, texts: Sequence[str]) -> float:
    """The share, 0 to 1, of the tokens of `texts` that the encoder's tokenizer knows nothing of (`[UNK]`).

    Of more than 2,000 texts, 2,000 are looked at, always the same. Tokens that stand in every text, at its beginning or
    end, are not counted. An encoder without a tokenizer that has such a token knows everything.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a small corpus", "of two texts"], dim=8)
        >>> unknown_share(encoder, ["two small texts"]), unknown_share(encoder, ["two 文"])
        (0.0, 0.5)
    """
    refuse_string(texts, "texts")
    tokenizer = getattr(encoder, "tokenizer", None)
    unknown, special = _ids(tokenizer)
    if unknown is None:
        return 0.0
    chosen = texts
    if len(texts) > _TEXTS:
        chosen = [texts[i] for i in sorted(random.Random(0).sample(range(len(texts)), _TEXTS))]
    ids = encoder.tokenize(chosen)["input_ids"].tolist()
    counted = [i for i in ids if i == unknown or i not in special]
    return counted.count(unknown) / max(1, len(counted))


def unknown_note(encoder: Encoder, texts: Sequence[str]) -> str:
    """What to say of it, where it is a twentieth of the tokens or more; else nothing.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> unknown_note(StaticEncoder.from_corpus(["a small corpus"], dim=8), ["a 文"])
        "50% of the texts' tokens are unknown to this model's tokenizer; choose a model of their languages"
    """
    share = unknown_share(encoder, texts)
    if share < _WORTH_SAYING:
        return ""
    return f"{share:.0%} of the texts' tokens are unknown to this model's tokenizer; choose a model of their languages"


def _ids(tokenizer: Any) -> tuple[int | None, set[int]]:
    """The unknown token, and all tokens that are no part of a text."""
    if hasattr(tokenizer, "unk_token_id"):
        return tokenizer.unk_token_id, set(tokenizer.all_special_ids)
    name = getattr(getattr(tokenizer, "model", None), "unk_token", None)
    return (None if name is None else tokenizer.token_to_id(name)), set()
