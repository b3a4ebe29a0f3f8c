"""MoCo as the systems that change it share it."""

from __future__ import annotations

from torch import nn

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Chain, Procedure, Queue, Teacher
from counterpoint.systems.core._pictures import TEMPERATURES, plain_head, simclr
from counterpoint.testbeds import Tuned

QUEUE, DECAY, TEMPERATURE = 1024, 0.99, 0.2
SETUP = (
    f"MoCo v2: one hidden layer without BatchNorm in the head, temperature {TEMPERATURE} where it is not chosen, each "
    f"query against its own key and a queue. The queue holds {QUEUE:,} keys, a fifth of the pictures (65,536 there, a "
    f"twentieth), and the teacher's decay is {DECAY} (0.999 on ImageNet, {DECAY} in FT's runs on a hundred of its "
    "classes); 0.9 was tried first and trained to below the untrained start. GroupNorm "
    "stands for their shuffled BatchNorm. "
)


def remembering(width: int, size: int = QUEUE, *, symmetric: bool = False, then: tuple[Procedure, ...] = ()) -> Chain:
    """A teacher and a queue, and what comes behind them."""
    return Chain(Teacher(DECAY, symmetric=symmetric), Queue(size, width), *then)


def head(width: int) -> nn.Module:
    """MoCo v2's."""
    return plain_head(width)


def moco(temperature: float = TEMPERATURE) -> Recipe:
    """He et al. 2020 with Chen et al. 2020's head (MoCo v2): each query against its own key and the queue."""
    return simclr().varied("MoCo", objective=lambda: InfoNCE(temperature), head=head, procedure=remembering)


TUNED = Tuned(moco, TEMPERATURES)
"""MoCo with the best of three temperatures."""
