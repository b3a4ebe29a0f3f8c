"""Distributed execution: keys gathered over processes, with exact gradients.

The contract: each process holds its own points, the returned loss is the loss of all of them (the same number on every
process), and the gradient each process gets for its points is the gradient of that loss. Gradients of *parameters* are
therefore to be **summed** over processes (`all_reduce_gradients`), not averaged. Under `DistributedDataParallel`, which
averages, multiply the loss by the world size before `backward`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from counterpoint.points import Points

Group = Any  # torch.distributed.ProcessGroup; absent from builds without distributed


def sizes(n: int, group: Group) -> list[int]:
    """How many points each process of the group holds."""
    mine = torch.tensor([n])
    if dist.get_backend(group) == "nccl":
        mine = mine.cuda()
    every = [torch.zeros_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(every, mine, group=group)
    return [int(n) for n in every]


def gather(points: Points, group: Group) -> Points:
    """All processes' points, in order of rank; gradients flow back to the process that owns a point.

    Args:
        points: This process's points; the others may hold more or fewer.
        group: The process group.
    """
    counts = sizes(len(points), group)
    z = _Gather.apply(points.z, counts, group)  # type: ignore[no-untyped-call]
    columns = {name: _gather(c, counts, group) for name, c in sorted(points.columns.items())}
    return Points(z, columns)


def _gather(value: Tensor, counts: list[int], group: Group) -> Tensor:
    boolean = value.dtype == torch.bool
    value = value.to(torch.uint8) if boolean else value
    padded = value.new_zeros((max(counts), *value.shape[1:]))
    padded[: len(value)] = value
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded, group=group)
    whole = torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])
    return whole.bool() if boolean else whole


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, counts: list[int], group: Group) -> Tensor:
        ctx.counts, ctx.group = counts, group
        return _gather(z, counts, group)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # every process holds part of the gradient of every point
        grad = grad.contiguous()
        dist.all_reduce(grad, group=ctx.group)
        rank = dist.get_rank(ctx.group)
        start = sum(ctx.counts[:rank])
        return grad[start : start + ctx.counts[rank]], None, None


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
