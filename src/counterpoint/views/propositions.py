"""Texts that say several things: their propositions, and which of those of two texts say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.propositions import marked
from counterpoint.errors import InputError, refuse_string

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def in_propositions(split: Callable[[str], Sequence[str]]) -> Prepare:
    """A step before training: pairs of texts with the propositions of both, which say the same where their places do.

    The i-th proposition of a text says the same as the i-th of whatever text it is paired with, directly or through
    others, and no others do. Rows with a text of which there is none are left out. Column `label` `(n, 2 p)`: of each
    proposition of the anchor, then of the positive, a number of what it says; -1: there is no such proposition. Source:
    Chen et al. 2023, "Sub-Sentence Encoder", where a model splits texts and another one says which propositions are the
    same.

    Args:
        split: From a text to its propositions (see `PropositionEncoder`), in an order that means something.

    Raises:
        InputError: in the step, for what are no pairs, or if no pair has propositions on both sides.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a cat, asleep", ("a pet, dozing",)), Example("a dog", ("it, here",))])
        >>> split = lambda text: text.split(", ") if ", " in text else []
        >>> found = in_propositions(split)(data, nn.Identity(), 0)
        >>> found.anchors.texts, found.columns["label"].tolist()
        (['a cat, asleep\\ta cat\\tasleep', 'a pet, dozing\\ta pet\\tdozing'], [[0, 1, 0, 1]])
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        if data.others is None or data.positives is None:
            raise InputError("propositions are compared between paired texts", fix="give pairs")
        first = [data.anchors.texts[i] for i in data.anchor.tolist()]
        second = [data.others.texts[i] for i in data.positives[:, 0].tolist()]
        known: dict[str, list[str]] = {}
        for text in dict.fromkeys([*first, *second]):
            propositions = split(text)
            refuse_string(propositions, "what a text is split into")
            known[text] = list(propositions)
        rows = [i for i, pair in enumerate(zip(first, second, strict=True)) if all(known[text] for text in pair)]
        if not rows:
            raise InputError(
                "no pair has propositions on both sides", file=data.source or None, fix="give texts that can be split"
            )
        place = {text: i for i, text in enumerate(dict.fromkeys(t for row in rows for t in (first[row], second[row])))}
        a, b = (torch.tensor([place[side[row]] for row in rows]) for side in (first, second))
        most = max(len(known[text]) for text in place)
        there = torch.tensor([[i < len(known[text]) for i in range(most)] for text in place])
        number = (_together(a, b, len(place))[:, None] * most + torch.arange(most)).masked_fill(~there, -1)
        # one list for both sides, so that all have as many places for propositions
        items = Items("text", [marked(text, known[text]) for text in place])
        label = torch.cat([number[a], number[b]], 1)
        return Data(items, a, items, b[:, None], columns={"label": label}, source=data.source)

    return prepare


def _together(a: torch.Tensor, b: torch.Tensor, number: int) -> torch.Tensor:
    """A number of each text, the same for those that are paired, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((torch.ones(len(a)).numpy(), (a.numpy(), b.numpy())), (number, number))
    return torch.from_numpy(connected_components(links, directed=False)[1]).long()
