"""Which examples each batch has."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from counterpoint.errors import InputError


class Order:
    """The batches of a run: every epoch is a fresh order, drawn from the seed and its own number.

    An epoch is `n // batch_size` whole batches; what is left over falls in another place in the next epoch. With fewer
    examples than a batch, every batch has them all. With groups each batch is drawn from one of them, the same holds
    for each group, and the batches of all are shuffled: the negatives of a batch are then all of one topic, cluster or
    source. An example that is alone in its group has nothing to be contrasted with and is in no batch.

    Args:
        n: Examples.
        batch_size: Of them in a batch, at most.
        seed: What the order follows from.
        groups: A number of each example's group, or None: all are one group.

    Raises:
        InputError: Every example is alone in its group.

    Examples:
        >>> order = Order(6, 2, seed=0)
        >>> len(order), sorted(torch.cat([order.rows(i) for i in range(3)]).tolist())
        (3, [0, 1, 2, 3, 4, 5])
        >>> order = Order(5, 2, seed=0, groups=torch.tensor([0, 1, 0, 1, 2]))
        >>> sorted(sorted(order.rows(i).tolist()) for i in range(2))
        [[0, 2], [1, 3]]
    """

    def __init__(self, n: int, batch_size: int, seed: int, groups: Int[Tensor, " n"] | None = None) -> None:
        self._n, self._seed = n, seed
        self._groups = torch.zeros(n, dtype=torch.long) if groups is None else groups
        # of each group, how large its batches are and how many of them an epoch has
        self._sizes = torch.bincount(self._groups)
        self._batch = self._sizes.clamp(max=batch_size)
        alone = 0 if groups is None else 1
        self._batches = torch.where(self._sizes > alone, self._sizes // self._batch.clamp(min=1), 0)
        if not len(self):
            raise InputError(f"each of {n:,} examples is alone in its group", fix="give groups of two or more")
        self._epoch: tuple[int, list[Tensor]] = (-1, [])

    def __len__(self) -> int:
        """Batches of an epoch."""
        return int(self._batches.sum())

    @property
    def smallest(self) -> int:
        """Examples of the smallest batch."""
        return int(self._batch[self._batches > 0].min())

    def rows(self, index: int) -> Int[Tensor, " b"]:
        """The examples of batch `index`, counted over all epochs."""
        epoch, place = divmod(index, len(self))
        if self._epoch[0] != epoch:
            self._epoch = epoch, self._drawn(epoch)
        return self._epoch[1][place]

    def _drawn(self, epoch: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + epoch) % 2**63)
        order = torch.randperm(self._n, generator=generator)
        if len(self._sizes) > 1:
            order = order[torch.argsort(self._groups[order], stable=True)]
        found = []
        for rows, size, batches in zip(order.split(self._sizes.tolist()), self._batch, self._batches, strict=True):
            found += [rows[i * size : (i + 1) * size] for i in range(batches)]
        if len(self._sizes) > 1:
            found = [found[i] for i in torch.randperm(len(found), generator=generator).tolist()]
        return found
