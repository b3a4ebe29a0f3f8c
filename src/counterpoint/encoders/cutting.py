"""Texts that are longer than a model takes: they are cut, and that is counted and said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from counterpoint.encoders.features import Features, Kind
from counterpoint.errors import refuse_string

if TYPE_CHECKING:
    from counterpoint.encoders._base import TextEncoder

_WINDOW = 16_384
FIX = "take a model that reads more, or shorter passages"


@dataclass
class Cut:
    """How many texts were cut at the model's length.

    Attributes:
        limit: The most tokens the model takes, special ones and the prompt included; None for no limit.
        texts: Texts that were longer.
        of: Texts counted.
    """

    limit: int | None = None
    texts: int = 0
    of: int = 0

    def add(self, features: Features, times_n: Int[np.ndarray, " n"] | None = None) -> None:
        """Count the texts of `features`, each as often as it stood in the data."""
        cut = features.get("cut")
        times_n = np.ones(len(features["offsets"]) - 1, dtype=int) if times_n is None else times_n
        self.of += int(times_n.sum())
        self.texts += 0 if cut is None else int(times_n[cut.cpu().numpy()].sum())

    def sentence(self, what: str = "texts", fix: str = FIX) -> str:
        """What there is to say, "" if no text was cut.

        Examples:
            >>> Cut(256, 1234, 35000).sentence("documents")
            "1,234 of 35,000 documents are longer than the model's 256 tokens and are cut; take a model that reads more, or shorter passages"
            >>> Cut(256, 0, 35000).sentence()
            ''
        """  # noqa: E501 - as it is said
        if not self.texts:
            return ""
        verb = "is" if self.texts == 1 else "are"
        return (
            f"{self.texts:,} of {self.of:,} {what} {verb} longer than the model's {self.limit:,} tokens "
            f"and {verb} cut; {fix}"
        )


def count_cut(encoder: TextEncoder, texts: Iterable[str], kind: Kind = None) -> Cut:
    """How many of these texts the encoder would cut, without encoding them. Equal texts count once.

    Args:
        encoder: The encoder.
        texts: Any number of strings.
        kind: Their kind, for the prompt that stands before them.

    Examples:
        >>> from counterpoint.encoders.scratch import small_transformer
        >>> encoder = small_transformer(["a small corpus"], layers=1, width=8, heads=2, max_seq_length=4)
        >>> count_cut(encoder, ["a small corpus", "small", "small"]).sentence()[:48]
        "1 of 2 texts is longer than the model's 4 tokens"
    """
    refuse_string(texts, "texts")
    different = dict.fromkeys(texts)
    cut = Cut(getattr(encoder, "max_seq_length", None))
    if cut.limit is None:
        cut.of = len(different)
        return cut
    iterator = iter(different)
    while window := list(islice(iterator, _WINDOW)):
        cut.add(encoder.tokenize(window, kind))
    return cut
