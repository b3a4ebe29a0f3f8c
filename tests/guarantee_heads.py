"""Heads with batch statistics in the loop: what the guarantee test runs of them, on any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.engine import all_reduce_gradients
from counterpoint.heads import PerView, projection
from counterpoint.objectives import Alignment, InfoNCE, Objective
from counterpoint.procedures import Chain, Predictor, Procedure, Queue, Teacher
from counterpoint.training import TrainConfig
from counterpoint.training._processes import Processes
from counterpoint.training.loop import _backward
from counterpoint.training.rows import RowBatches

WIDTH, OUT, BATCH = 6, 5, 11


@dataclass(frozen=True)
class Case:
    """A head and what stands behind it; `views` of items alone, or (0) pairs."""

    head: Callable[[], nn.Module]
    objective: Callable[[], Objective]
    procedure: Callable[[], Procedure] | None = None
    views: int = 0


def both() -> nn.Module:
    """BatchNorm within and at the end."""
    return projection(4, hidden=(7,), out=OUT, norm=nn.BatchNorm1d, last=lambda: nn.BatchNorm1d(OUT, affine=False))


class Centred(nn.Module):
    """Statistics of a batch that no BatchNorm layer says it has."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z - z.median(0).values


def teacher() -> Procedure:
    return Chain(Teacher(0.9), Predictor(projection(OUT, hidden=(3,), norm=nn.BatchNorm1d)))


CASES = {
    "views together": Case(both, lambda: InfoNCE(0.3, layout="views")),
    "view by view": Case(lambda: PerView(both()), lambda: InfoNCE(0.3, layout="views")),
    "three views": Case(lambda: PerView(both()), lambda: InfoNCE(0.3, layout="views"), views=3),
    "no BatchNorm layer": Case(lambda: nn.Sequential(nn.Linear(4, OUT), Centred()), lambda: InfoNCE(0.3)),
    "stopped, predicted": Case(
        lambda: PerView(both()), Alignment,
        lambda: Chain(Teacher(0.0), Predictor(projection(OUT, hidden=(3,), norm=nn.BatchNorm1d))),
    ),
    "teacher, predicted": Case(lambda: PerView(both()), Alignment, teacher),
    "dropout": Case(
        lambda: nn.Sequential(nn.Linear(4, OUT), nn.Dropout(0.5), nn.BatchNorm1d(OUT)), lambda: InfoNCE(0.3)
    ),
    "teacher, queue": Case(
        both, lambda: InfoNCE(0.3),
        lambda: Chain(Teacher(0.9, symmetric=False), Queue(30, OUT, in_batch=True)),
    ),
}  # fmt: skip


def batches(case: Case, encoder: nn.Module, dtype: torch.dtype) -> RowBatches:
    """Vectors, the same whoever asks for them."""
    generator = torch.Generator().manual_seed(1)
    vectors = [Items("vector", torch.randn(2 * BATCH, WIDTH, generator=generator).to(dtype)) for _ in range(2)]
    rows = torch.arange(2 * BATCH)
    if case.views:
        return RowBatches(Data(vectors[0], rows), encoder, views=case.views, view=(None, lambda x: 1.1 * x + x.flip(1)))
    return RowBatches(Data(vectors[0], rows, vectors[1], rows[:, None]), encoder)


def run(case: Case, dtype: torch.dtype, processes: Processes, chunk: int = 1000) -> dict[str, torch.Tensor]:
    """Two steps of the loop: losses, every gradient of both, and every buffer at the end, each in one vector."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 4)).to(dtype)
    head, objective = case.head().to(dtype), case.objective().to(dtype)
    procedure = None if case.procedure is None else case.procedure().to(dtype)
    network = nn.Sequential(encoder, head)
    if procedure is not None:
        procedure.start(network, processes)
    modules = [network] if procedure is None else [network, procedure]
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    config, data = TrainConfig(chunk_tokens=chunk, dtype="float32"), batches(case, encoder, dtype)
    losses, gradients = [], []
    for step in range(2):
        rows = torch.arange(step * BATCH, (step + 1) * BATCH)
        payload = data.payload(processes.share(rows), rows)
        loss, _ = _backward(network, procedure, objective, payload, config, nullcontext, processes)
        if processes.group is not None:
            all_reduce_gradients(parameters, processes.group)
        losses.append(loss)
        gradients += [p.grad.flatten() for p in parameters]
        with torch.no_grad():
            for p in parameters:
                p -= 0.1 * p.grad
                p.grad = None
        if procedure is not None:
            procedure.finish_step()
    # a queue's keys stand in another order
    kept = [b.to(dtype).sort(0).values.flatten() for m in modules for b in m.buffers()]
    return {
        "loss": torch.stack(losses),
        "gradients": torch.cat(gradients),
        "buffers": torch.cat(kept) if kept else torch.zeros(0),
    }
