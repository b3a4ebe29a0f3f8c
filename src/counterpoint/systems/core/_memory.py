"""How many bytes of tensors are alive at once: deterministic, whatever else the machine does."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Within: `peak` is the greatest sum of bytes of tensors made here and alive at the same time.

    It agrees with what torch's profiler counts in the allocator to a percent (temporaries inside of one operation are
    not seen).

    Examples:
        >>> import torch
        >>> with PeakMemory() as memory:
        ...     x = torch.zeros(1000) + 1
        >>> memory.peak
        8000
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._alive = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                place, size = storage.data_ptr(), storage.nbytes()
                if place and place not in self._seen:
                    self._seen.add(place)
                    self._alive += size
                    self.peak = max(self.peak, self._alive)
                    weakref.finalize(storage, self._freed, place, size)
        return out

    def _freed(self, place: int, size: int) -> None:
        self._seen.discard(place)
        self._alive -= size
