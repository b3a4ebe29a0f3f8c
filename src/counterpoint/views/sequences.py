"""Texts in order: what comes next, given what came before, as scored pairs or triples."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

BEFORE, FIRST, SECOND, AFTER = "[BEFORE] ", "[B1] [BEFORE] ", "[B2] [BEFORE] ", "[AFTER] "
"""What stands before a text: it came earlier, it did and is the first or the second of two, it comes next."""


def windows(size: int = 5, *, mixed: bool = True, column: str = "document") -> Prepare:
    """A step before training: the last text of every window is to be near to two earlier ones, the nearer the later.

    Of a window of `size` texts every two before the last, in their order, are the positives of the last one, with a
    `score` that grows with their places `i < j` from 0.2 to 1 in equal steps of `i + j`. For each text before the last
    there are three rows of score 0: with a text drawn from all in the second place, with one in the first, and two
    drawn ones. So a window of five has 6 rows above 0 and 12 of 0. Each text says which part it plays (`FIRST`,
    `SECOND`, `AFTER`).

    Without `mixed` each earlier text is a positive by itself, its score `(i + 1) / size`, and two drawn ones have 0.

    Sources: Erker et al. 2024, "Triple-Encoders: Representations That Fire Together, Wire Together", and the authors'
    code; without `mixed` the scores of its Curved Contrastive Learning (Erker et al. 2023).

    Args:
        size: 3 or more; 5 is theirs.
        mixed: See above.
        column: Which document each text is of, where there is such a column; texts are in their order.

    Raises:
        InputError: A window of fewer than three; of the step: no document has so many texts.

    Examples:
        >>> data = Data.alone(Items("text", ["a", "b", "c"]))
        >>> found = windows(3)(data, nn.Identity(), 0)
        >>> found.anchors.texts[int(found.anchor[0])], [found.others.texts[i] for i in found.positives[0]]
        ('[AFTER] c', ['[B1] [BEFORE] a', '[B2] [BEFORE] b'])
        >>> found.columns["score"].tolist()
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    if size < 3:
        raise InputError(f"a window of {size} texts", fix="give 3 or more; 5 is common")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts = [data.anchors.texts[i] for i in data.anchor.tolist()]
        start = _whole(data, size, column).nonzero()[:, 0]
        if not len(start):
            raise InputError(f"no document has {size} texts", file=data.source or None, fix="give longer ones")
        generator, n, w = torch.Generator().manual_seed(seed), len(texts), len(start)

        def drawn() -> Int[Tensor, " w"]:
            return torch.randint(n, (w,), generator=generator)

        found: list[tuple[tuple[Tensor, ...], float]] = []
        if mixed:
            pairs, most = list(combinations(range(size - 1), 2)), 2 * size - 5
            for i, j in pairs:
                step = (i + j - 1) / (most - 1) if most > 1 else 1.0
                found.append(((start + i, n + start + j), 0.2 + 0.8 * step))
            for i in range(size - 1):
                sides = ((start + i, n + drawn()), (drawn(), n + start + i), (drawn(), n + drawn()))
                found += [(side, 0.0) for side in sides]
        else:
            found += [((start + i,), (i + 1) / size) for i in range(size - 1)]
            found += [((drawn(),), 0.0) for _ in range(2 * (size - 1))]
        roles = (FIRST, SECOND) if mixed else (BEFORE,)
        return Data(
            Items("text", [AFTER + text for text in texts]),
            (start + size - 1).repeat(len(found)),
            Items("text", [role + text for role in roles for text in texts]),
            torch.cat([torch.stack(side, 1) for side, _ in found]),
            columns={"score": torch.tensor([score for _, score in found]).repeat_interleave(w)},
            source=data.source,
        )

    return prepare


def window_starts(data: Data, size: int, column: str = "document") -> Int[Tensor, " w"]:
    """Where windows begin that share no text, document by document.

    Args:
        data: Texts in their order.
        size: Of a window.
        column: As of `windows`.

    Examples:
        >>> data = Data.alone(Items("text", list("abcdefg")), document=torch.tensor([0, 0, 0, 0, 0, 1, 1]))
        >>> window_starts(data, 2).tolist()
        [0, 2, 5]
    """
    whole, found, free = _whole(data, size, column).tolist(), list[int](), 0
    for i, fits in enumerate(whole):
        if fits and i >= free:
            found.append(i)
            free = i + size
    return torch.tensor(found, dtype=torch.long)


def _whole(data: Data, size: int, column: str) -> Bool[Tensor, " s"]:
    """Whether a window that begins at a row is within one document, of all rows where one may begin."""
    if len(data) < size:
        return torch.zeros(0, dtype=torch.bool)
    number = data.columns.get(column, torch.zeros(len(data), dtype=torch.long))
    return (number.unfold(0, size, 1) == number[: len(data) - size + 1, None]).all(1)
