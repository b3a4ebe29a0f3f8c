"""Distributed execution: keys gathered over processes, with exact gradients.

The contract: each process holds its own points, the returned loss is the loss of all of them (the same number on every
process), and the gradient each process gets for its points is the gradient of that loss. Gradients of *parameters* are
therefore to be **summed** over processes (`all_reduce_gradients`), not averaged. Under `DistributedDataParallel`, which
averages, multiply the loss by the world size before `backward`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from counterpoint.points import Points

Group = Any  # torch.distributed.ProcessGroup; absent from builds without distributed


def sizes(n: int, group: Group) -> list[int]:
    """How many points each process of the group holds."""
    mine = _sendable(torch.tensor([n]), group)
    every = [torch.zeros_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(every, mine, group=group)
    return [int(n) for n in every]


def _sendable(value: Tensor, group: Group) -> Tensor:
    return value.cuda() if dist.get_backend(group) == "nccl" else value


def gather(points: Points, group: Group) -> Points:
    """All processes' points, in order of rank; gradients flow back to the process that owns a point.

    Vectors and columns travel side by side, so that it takes two collectives, however many columns there are.

    Args:
        points: This process's points; the others may hold more or fewer.
        group: The process group.
    """
    counts, names = sizes(len(points), group), sorted(points.columns)
    z, *columns = _Gather.apply(counts, group, points.z, *map(points.columns.__getitem__, names))  # type: ignore[no-untyped-call]
    return Points(z, dict(zip(names, columns, strict=True)))


def _gathered(values: Sequence[Tensor], counts: list[int], group: Group) -> list[Tensor]:
    """Each value of all processes: row for row the bytes of all of them."""
    rows = [_packed(v).view(len(v), math.prod(v.shape[1:])).view(torch.uint8) for v in values]
    padded = rows[0].new_zeros(max(counts), sum(row.shape[1] for row in rows))
    padded[: len(rows[0])] = torch.cat(rows, 1)
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded, group=group)
    whole = torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])
    pieces = whole.split([row.shape[1] for row in rows], 1)
    return [
        _packed(piece).view(value.dtype).view(len(whole), *value.shape[1:])
        for piece, value in zip(pieces, values, strict=True)
    ]


def _packed(value: Tensor) -> Tensor:
    """A copy, always: of one row any tensor counts as contiguous, whatever its strides and wherever it begins."""
    return value.clone(memory_format=torch.contiguous_format)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, counts: list[int], group: Group, z: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
        ctx.counts, ctx.group = counts, group
        whole, *others = _gathered((z, *columns), counts, group)
        ctx.mark_non_differentiable(*others)
        return whole, *others

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        # every process holds part of the gradient of every point
        grad = grad.contiguous()
        dist.all_reduce(grad, group=ctx.group)
        rank = dist.get_rank(ctx.group)
        start = sum(ctx.counts[:rank])
        return None, None, grad[start : start + ctx.counts[rank]], *[None for _ in others]


def on_whole(
    network: Callable[[Tensor], Tensor], z: Tensor, *, views: Sequence[int] = (), group: Group = None
) -> Tensor:
    """What a network makes of vectors when it sees the whole batch, so that its batch statistics are exact.

    Every process gives the network all processes' vectors, with the same random numbers, and keeps its own rows: what
    the network remembers of its batches (running statistics) stays the same everywhere. Its parameters' gradients are,
    like all, to be summed over processes.

    Args:
        network: A head or a predictor; it may change the shape of a row.
        z: This process's vectors, `(n, ...)`.
        views: How many vectors each view has here, in order: the network sees one view after another. None given: all
            at once.
        group: The process group.

    Examples:
        >>> z = torch.tensor([[0.0], [2.0], [10.0], [12.0]])
        >>> on_whole(lambda z: z - z.mean(0), z, views=(2, 2)).flatten().tolist()
        [-1.0, 1.0, -1.0, 1.0]
    """
    if group is None:
        return torch.cat([network(part) for part in z.split([n for n in views if n])]) if views else network(z)
    view = torch.arange(len(views)).repeat_interleave(torch.tensor(views)) if views else torch.zeros(len(z)).long()
    rank = dist.get_rank(group)
    every = gather(Points(z, view=view, rank=torch.full_like(view, rank)), group)
    # view after view, and within a view process after process: a process's own rows stay in their order
    every = every[torch.argsort(every.columns["view"], stable=True)]
    with alike(z.device, group):
        numbers = torch.bincount(every.columns["view"]).tolist()
        out = torch.cat([network(part) for part in every.z.split([n for n in numbers if n])])
    return out[every.columns["rank"] == rank]


@contextmanager
def alike(device: torch.device, group: Group) -> Iterator[None]:
    """Within: every process has the same random numbers; after it, its own again.

    Args:
        device: Whose numbers, beside the CPU's.
        group: The process group.
    """
    seed = _sendable(torch.randint(2**62, (1,)), group)
    dist.broadcast(seed, 0, group=group)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(seed))
        yield


def total(value: Tensor, group: Group) -> Tensor:
    """Sum over processes; the gradient is that of this process's part."""
    whole = value.detach().clone()
    dist.all_reduce(whole, group=group)
    return value + (whole - value.detach())


def all_reduce_gradients(parameters: Iterable[Tensor], group: Group = None) -> None:
    """Sum every parameter's gradient over the processes, in one all-reduce for each type.

    A parameter without a gradient here counts as zero, so processes need not agree on which have one.
    """
    by_type: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            by_type.setdefault((parameter.dtype, parameter.device), []).append(parameter.grad)
    for gradients in by_type.values():
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat, group=group)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
