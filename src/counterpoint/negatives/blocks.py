"""Blocks of similar points: what is drawn from an anchor's latent class, and from one drawn at random."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor, nn

from counterpoint.data.items import Data


def draw_blocks(labels: Int[Tensor, " n"], anchors: Int[Tensor, " b"], size: int) -> tuple[Tensor, Tensor]:
    """For each anchor the rows `(b, size)` of a block of its own class, and of a block of a class drawn at random.

    Rows are drawn independently, with replacement, so that both may be of one class and a row may be drawn twice.
    Source: Arora et al. 2019, "A Theoretical Analysis of Contrastive Unsupervised Representation Learning", sections 2
    and 6.2. Random choices follow torch's global state.

    Examples:
        >>> positive, negative = draw_blocks(torch.tensor([0, 1, 1]), torch.tensor([0, 2]), 4)
        >>> positive[0].tolist(), negative.shape
        ([0, 0, 0, 0], torch.Size([2, 4]))
    """
    order = torch.argsort(labels, stable=True)
    sizes = torch.bincount(labels)
    starts = sizes.cumsum(0) - sizes

    def block(of: Tensor) -> Tensor:
        place = (torch.rand(len(of), size) * sizes[of][:, None]).long()
        return order[starts[of][:, None] + place]

    return block(labels[anchors]), block(labels[torch.randint(len(labels), (len(anchors),))])


def in_blocks(data: Data, encoder: nn.Module, seed: int, *, size: int = 5, rounds: int = 20) -> Data:
    """Tuples of an anchor, a block of its class (`label`) and a block of another draw; every item is anchor so often.

    A step before training, by `functools.partial`.

    Args:
        data: Items with labels.
        encoder: Not used.
        seed: Of the draws.
        size: Of the blocks.
        rounds: How often each item is an anchor, each time with other blocks.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> data = Data.alone(Items("vector", torch.zeros(6, 2)), label=torch.arange(6) % 2)
        >>> found = in_blocks(data, nn.Identity(), 0, size=3, rounds=2)
        >>> found.schema, found.positives.shape
        ('tuples', torch.Size([12, 3]))
    """
    del encoder
    anchors = torch.arange(len(data)).repeat(rounds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        positive, negative = draw_blocks(data.columns["label"], anchors, size)
    every = data.anchor
    return Data(data.anchors, every[anchors], data.anchors, every[positive], every[negative], source=data.source)
