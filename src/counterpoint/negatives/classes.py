"""Pairs of labelled items: some of one class and some of two, which a model is to tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def class_pairs(each: int = 20) -> Prepare:
    """A step before training: labelled items become scored pairs, 1 of one class and 0 of two.

    Every item is paired `each` times with one of its class, and `each` times with one of another class, drawn anew each
    time. An item that is alone in its class has no pair of that kind, one without a label (-1) none at all. Source:
    Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts" (SetFit), section 3, where `each` is R, 20.

    Args:
        each: 1 or more.

    Raises:
        InputError: `each` is below 1; of the step: all items are of one class, or none has a label.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> data = Data.alone(Items("text", ["a", "b", "c"]), label=torch.tensor([0, 0, 1]))
        >>> found = class_pairs(1)(data, nn.Identity(), 0)
        >>> found.schema, found.columns["score"].tolist()
        ('scored', [1.0, 1.0, 0.0, 0.0, 0.0])
    """
    if each < 1:
        raise InputError(f"{each} pairs an item", fix="give 1 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        label = data.columns.get("label", torch.empty(0))
        if not bool((label >= 0).any()):
            raise InputError("pairs of one class need labels", file=data.source, fix="give labelled items")
        data, label = data[label >= 0], label[label >= 0]
        order = label.argsort(stable=True)
        # where each row is in that order, where its class begins there, and how many it has
        place = order.argsort()
        _, of, counts = label.unique(return_inverse=True, return_counts=True)
        start, count = (counts.cumsum(0) - counts)[of], counts[of]
        if len(counts) < 2:
            raise InputError("all items are of one class", file=data.source, fix="give items of two classes or more")
        drawn = torch.rand(2, each, len(label), generator=torch.Generator().manual_seed(seed))
        alike = start + (place - start + 1 + (drawn[0] * (count - 1)).long()) % count
        other = (drawn[1] * (len(label) - count)).long()
        other = other + (other >= start) * count
        rows = torch.arange(len(label)).expand(each, -1)
        paired = (count > 1).expand(each, -1)
        first = torch.cat([rows[paired], rows.flatten()])
        second = order[torch.cat([alike[paired], other.flatten()])]
        score = (torch.arange(len(first)) < int(paired.sum())).float()
        partners = data.anchor[second][:, None]
        return replace(data[first], others=data.anchors, positives=partners, columns={"score": score})

    return prepare
