"""Texts to vectors for a server: in float32 whatever the batch, with the tokens of each text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.cutting import Cut
from counterpoint.encoders.features import Features, Kind, lengths
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError


class Asked(NamedTuple):
    """How texts are to be encoded: those with the same answers go through the model together."""

    kind: Kind = None
    prompt: str | None = None
    dim: int | None = None
    several: bool = False


class Encoded(NamedTuple):
    """A text's vector (or its vectors), how many tokens it has been, and whether it had more than the model reads."""

    vector: Float[np.ndarray, "*k d"]
    tokens: int
    cut: bool


class _Lengths(Cut):
    """Of each text that is encoded: its tokens, and whether it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[tuple[int, bool]] = []

    def add(self, features: Features, times_n: Int[np.ndarray, " n"] | None = None) -> None:
        """See `Cut`."""
        super().add(features, times_n)
        counts, cut = lengths(features).tolist(), features.get("cut")
        self.each += zip(counts, [False] * len(counts) if cut is None else cut.tolist(), strict=True)


def text_tower(encoder: Any, kind: Kind = None) -> Any:
    """What turns texts of a kind into vectors: the model, or that of its towers which takes texts; None if none does.

    Examples:
        >>> from counterpoint.encoders import ImageEncoder, StaticEncoder
        >>> texts = StaticEncoder.from_corpus(["a cat"], dim=16)
        >>> text_tower(Towers(texts, ImageEncoder(widths=(8, 16))), "document") is texts
        True
        >>> text_tower(ImageEncoder(widths=(8,))) is None
        True
    """
    sides = (encoder.side(kind), encoder.query, encoder.document) if isinstance(encoder, Towers) else (encoder,)
    return next((side for side in sides if getattr(side, "modality", None) == "text"), None)


def encoding(encoder: Any) -> Callable[[Asked, list[str]], Sequence[Encoded]]:
    """What a `Batcher` is to do with texts.

    Vectors are computed in float32: with bfloat16, which is faster from some number of texts on, the vector of a text
    would depend on what else is asked at the same time.
    """

    def work(asked: Asked, texts: list[str]) -> Sequence[Encoded]:
        tower = text_tower(encoder, asked.kind)
        options = {
            name: value for name, value in (("prompt", asked.prompt), ("truncate_dim", asked.dim)) if value is not None
        }
        different = list(dict.fromkeys(texts))
        counter = _counter(tower)
        known = _Lengths()
        before = () if counter is None else counter.counted
        try:
            if counter is not None:
                counter.counted = (*before, known)
            if asked.several:
                each = tower.encode_each(Items("text", different), kind=asked.kind, **options)
                z = np.split(each.vectors_td, each.offsets_n[1:-1])
            else:
                z = list(tower.encode(different, kind=asked.kind, dtype="float32", **options))
        finally:
            if counter is not None:
                counter.counted = before
        if not all(np.isfinite(one).all() for one in z):
            what, fix = "gave a vector that is not finite", "use one whose training did not fail"
            raise InputError(what, file="the model", fix=fix)
        counts = known.each or [(0, False)] * len(different)
        found = {text: Encoded(z[i], *counts[i]) for i, text in enumerate(different)}
        return [found[text] for text in texts]

    return work


def _counter(tower: nn.Module) -> TextEncoder | None:
    """What counts its tokens: the tower itself, or what it is around."""
    return next((part for part in tower.modules() if isinstance(part, TextEncoder)), None)
