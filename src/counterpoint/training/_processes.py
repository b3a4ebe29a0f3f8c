"""The processes of a run: one, or as many as torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from counterpoint.errors import MissingExtra
from counterpoint.points import Points

Rows = TypeVar("Rows", Tensor, Points)


@dataclass(frozen=True)
class Processes:
    """Which process this is, and the group of all (None: alone)."""

    rank: int = 0
    world: int = 1
    group: Any = None

    @classmethod
    def current(cls) -> Processes:
        """From torchrun's environment; accelerate sets the group and the device up."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        if not dist.is_initialized():
            try:
                from accelerate import PartialState
            except ImportError as error:
                raise MissingExtra("accelerate", extra="scale") from error
            PartialState(cpu=not torch.cuda.is_available())
        return cls(dist.get_rank(), dist.get_world_size(), dist.group.WORLD)

    @property
    def first(self) -> bool:
        """The process that speaks and writes."""
        return self.rank == 0

    def share(self, rows: Rows) -> Rows:
        """This process's part of a batch; all parts, in order of rank, are the batch.

        Examples:
            >>> [Processes(rank, 2).share(torch.arange(5)).tolist() for rank in range(2)]
            [[0, 1], [2, 3, 4]]
        """
        return rows[slice(len(rows) * self.rank // self.world, len(rows) * (self.rank + 1) // self.world)]

    def same_start(self, modules: Iterable[nn.Module]) -> None:
        """Every process begins with the first one's weights."""
        if self.group is not None:
            for module in modules:
                for tensor in (*module.parameters(), *module.buffers()):
                    dist.broadcast(tensor.detach(), 0, group=self.group)

    def broadcast(self, value: Any) -> Any:
        """The first process's value."""
        if self.group is None:
            return value
        box = [value]
        dist.broadcast_object_list(box, 0, group=self.group)
        return box[0]

    def wait(self) -> None:
        """Until all are here."""
        if self.group is not None:
            dist.barrier(group=self.group)
