"""Spans of documents: an anchor, and others that lie near it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def spans(anchors: int = 2, positives: int = 2, longest: int = 512, documents: int = 4) -> Prepare:
    """A step before training: each text becomes some spans of its words, each with spans near it for positives.

    With `L` the greatest and `l = L / 16` the least length, an anchor has `l + B (L - l)` words, `B` of Beta(4, 2), and
    a positive as many of Beta(2, 4), rounded down. A positive begins anywhere from its own length before the anchor to
    the anchor's end: it touches it, overlaps with it or is a part of it. Anchors begin in different cells of `L` words
    that do not touch. `L` is `longest`, or as much as makes a text as long as all cells and gaps, `2 * anchors * L`;
    texts of fewer than `2 * anchors` words are left out. Columns: `document`, and `batch`, the same for so many
    documents drawn together, so that their anchors meet: `Stage(together="batch")`.

    Source: Giorgi et al. 2021, "DeCLUTR: Deep Contrastive Learning for Unsupervised Textual Representations", and the
    authors' code, which leaves texts out that are too short for 512 words.

    Args:
        anchors: Of each text.
        positives: Of each anchor.
        longest: In words.
        documents: With one value of `batch`.

    Raises:
        InputError: a number below 1, or no text is long enough.

    Examples:
        >>> data = Data.alone(Items("text", ["a b c d e f g h i j k l m n o p"]))
        >>> drawn = spans(anchors=1)(data, nn.Identity(), 0)
        >>> drawn.anchors.texts, drawn.others.texts, drawn.positives.tolist()
        (['d e f g h'], ['f g', 'i j k l'], [[0, 1]])
    """
    if min(anchors, positives, longest, documents) < 1:
        raise InputError(
            f"{anchors} anchors, {positives} positives, {longest} words, {documents} documents", fix="give 1 or more"
        )

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        generator = np.random.default_rng(seed)
        texts = [data.anchors.texts[i].split() for i in data.anchor.tolist()]
        kept = [i for i, words in enumerate(texts) if len(words) >= 2 * anchors]
        if not kept:
            raise InputError("no text is long enough for spans", fix=f"give texts of {2 * anchors} words or more")
        first, near = list[str](), list[str]()
        for i in kept:
            for start, end, others in _drawn(len(texts[i]), anchors, positives, longest, generator):
                first.append(" ".join(texts[i][start:end]))
                near += [" ".join(texts[i][a:b]) for a, b in others]
        place = torch.from_numpy(generator.permutation(len(kept))) // documents
        columns = {"document": torch.tensor(kept), "batch": place}
        return Data(
            Items("text", first),
            torch.arange(len(first)),
            Items("text", near),
            torch.arange(len(near)).view(len(first), positives),
            columns={name: column.repeat_interleave(anchors) for name, column in columns.items()},
            source=data.source,
        )

    return prepare


def _drawn(
    n: int, anchors: int, positives: int, longest: int, generator: np.random.Generator
) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Where anchors begin and end among `n` words, each with its positives."""
    longest = min(longest, n // (2 * anchors))
    shortest = max(1, longest // 16)

    def length(a: float, b: float) -> int:
        return int(generator.beta(a, b) * (longest - shortest) + shortest)

    cells, found = list(range(0, n - longest + 1, longest)), []
    for i in range(anchors):
        size, left = length(4, 2), anchors - i
        # where cells are few one at an end is taken, which leaves the most
        at = int(generator.choice([0, len(cells) - 1]) if len(cells) // left < left else generator.integers(len(cells)))
        start = int(generator.integers(cells[at], cells[at] + longest - size + 1))
        del cells[max(0, at - 1) : at + 2]
        end, others = start + size, []
        for _ in range(positives):
            own = length(2, 4)
            begin = int(generator.integers(max(0, start - own), min(end, n - own) + 1))
            others.append((begin, begin + own))
        found.append((start, end, others))
    return found
