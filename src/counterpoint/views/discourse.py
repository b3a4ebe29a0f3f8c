"""Questions about texts in order: which of two came first, which comes next, what a conjunction said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.procedures.discourse import CONJUNCTION, NEXT, ORDER
from counterpoint.views.sequences import window_starts

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

CONJUNCTIONS = {
    "addition": ("again", "also", "besides", "finally", "further", "furthermore", "moreover", "in addition"),
    "contrast": (
        *("anyway", "however", "instead", "nevertheless", "otherwise"),
        *("contrarily", "conversely", "nonetheless", "in contrast", "rather"),
    ),
    "time": ("meanwhile", "next", "then", "now", "thereafter"),
    "result": (
        *("accordingly", "consequently", "hence", "henceforth"),
        *("therefore", "thus", "incidentally", "subsequently"),
    ),
    "specific": ("namely", "specifically", "notably", "that is", "for example"),
    "compare": ("likewise", "similarly"),
    "strengthen": ("indeed", "in fact"),
    "return": ("still",),
    "recognize": ("undoubtedly", "certainly"),
}
"""Phrases that begin a sentence, by what they say of it and the one before."""
_CLASS = {phrase: i for i, phrases in enumerate(CONJUNCTIONS.values()) for phrase in phrases}
_BEGINS = re.compile(rf"({'|'.join(sorted(_CLASS, key=len, reverse=True))})\b\W*(?=\w)", re.IGNORECASE)


def discourse(context: int = 3, candidates: int = 5, *, column: str = "document") -> Prepare:
    """A step before training: texts in order become questions of three kinds, each with its answer (`label`).

    - `ORDER`: two neighbours, switched or not by a draw; 1: they are switched.
    - `NEXT`: the first texts of a window, and those that follow in a drawn order; which of them comes next. Windows
      share no text.
    - `CONJUNCTION`: a text and the next one, which began with a phrase of `CONJUNCTIONS` that is taken off, with the
      marks behind it; which kind it was.

    Of a row the anchor is the first text and the positives are all others in their order; `task` says which kind. Rows
    of a kind are repeated until all kinds have as many; a kind without any is left out.

    Source: Jernite et al. 2017, "Discourse-Based Objectives for Fast Unsupervised Sentence Representation Learning",
    and the authors' code, whose groups of conjunctions these are.

    Args:
        context: Texts before the one that is looked for.
        candidates: Among which it is.
        column: Which document each text is of, where there is such a column; texts are in their order.

    Raises:
        InputError: Fewer than one text before, or two candidates; of the step: no text follows another one.

    Examples:
        >>> texts = Items("text", ["It rains.", "However, we go.", "We come."])
        >>> data = discourse()(Data.alone(texts), nn.Identity(), 0)
        >>> row = int((data.columns["task"] == CONJUNCTION).nonzero()[0])
        >>> data.others.texts[int(data.positives[row, 0])], list(CONJUNCTIONS)[int(data.columns["label"][row])]
        ('we go.', 'contrast')
    """
    if context < 1 or candidates < 2:
        raise InputError(f"{candidates} candidates after {context} texts", fix="give 2 or more after 1 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts = [data.anchors.texts[i] for i in data.anchor.tolist()]
        number = data.columns.get(column, torch.zeros(len(texts), dtype=torch.long))
        first = (number[1:] == number[:-1]).nonzero()[:, 0]
        if not len(first):
            raise InputError("no text follows another one", file=data.source or None, fix="give texts in order")
        generator = torch.Generator().manual_seed(seed)
        switched = torch.randint(2, (len(first),), generator=generator)
        kinds = [(ORDER, torch.stack([first + switched, first + 1 - switched], 1), switched)]
        start = window_starts(data, context + candidates, column)
        order = torch.rand(len(start), candidates, generator=generator).argsort(1)
        before = start[:, None] + torch.arange(context)
        kinds.append((NEXT, torch.cat([before, start[:, None] + context + order], 1), (order == 0).long().argmax(1)))
        rest, pairs, label = _conjunctions(texts, first)
        kinds.append((CONJUNCTION, pairs, label))
        kinds = [kind for kind in kinds if len(kind[1])]
        most = max(len(rows) for _, rows, _ in kinds)
        again = [torch.arange(most) % len(rows) for _, rows, _ in kinds]
        width = max(rows.shape[1] for _, rows, _ in kinds)
        padded = [nn.functional.pad(rows, (0, width - rows.shape[1]), value=-1) for _, rows, _ in kinds]
        whole = torch.cat([rows[i] for rows, i in zip(padded, again, strict=True)])
        answers = torch.cat([answer[i] for (_, _, answer), i in zip(kinds, again, strict=True)])
        task = torch.tensor([kind for kind, _, _ in kinds]).repeat_interleave(most)
        return Data(
            Items("text", texts),
            whole[:, 0],
            Items("text", texts + rest),
            whole[:, 1:],
            columns={"task": task, "label": answers},
            source=data.source,
        )

    return prepare


def _conjunctions(
    texts: list[str], first: Int[Tensor, " p"]
) -> tuple[list[str], Int[Tensor, "c 2"], Int[Tensor, " c"]]:
    """What is left of texts that begin with a conjunction; the one before with its number; which kind it was."""
    rest, pairs, label = list[str](), list[tuple[int, int]](), list[int]()
    for i in first.tolist():
        if found := _BEGINS.match(texts[i + 1]):
            pairs.append((i, len(texts) + len(rest)))
            label.append(_CLASS[found[1].lower()])
            rest.append(texts[i + 1][found.end() :])
    return rest, torch.tensor(pairs).view(-1, 2), torch.tensor(label, dtype=torch.long)
