"""Spans of documents: an anchor, and others that lie near it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views._draw import below
from counterpoint.views.texts import in_pieces

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


def in_context(text: str, longest: int, generator: torch.Generator) -> list[list[str]]:
    """The pieces of a text, each with three others of it: one beside it, one that overlaps with it, and any one.

    What overlaps has the second half of the piece, and as many words after it; of the last piece the first half, and
    words before. Source: Wu et al. 2022, "ConTextual Masked Auto-Encoder for Dense Passage Retrieval", and the authors'
    code, whose pieces are whole sentences and whose overlap is of one sentence up to half of them.

    Args:
        text: Of one word it has none.
        longest: Words of a piece, 1 or more.
        generator: Draws which is beside it, and any one.

    Examples:
        >>> for piece in in_context("a b c d e f g h", 4, torch.Generator().manual_seed(0)):
        ...     print(piece)
        ['a b c d', 'e f g h', 'c d e f', 'e f g h']
        ['e f g h', 'a b c d', 'c d e f', 'a b c d']
    """
    pieces, words = [piece.split() for piece in in_pieces(text, longest)], text.split()
    found, start = list[list[str]](), 0
    for i, piece in enumerate(pieces if len(pieces) > 1 else []):
        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(pieces)]
        near, other = beside[below(len(beside), generator)], below(len(pieces) - 1, generator)
        half = len(piece) // 2
        first = start + half if i + 1 < len(pieces) else start - half
        overlap = words[first : first + len(piece)]
        found.append([" ".join(w) for w in (piece, pieces[near], overlap, pieces[other + (other >= i)])])
        start += len(piece)
    return found


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
