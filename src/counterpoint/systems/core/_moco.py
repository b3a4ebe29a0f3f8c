"""MoCo as the systems that change it share it."""

from __future__ import annotations

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Chain, Queue, Teacher
from counterpoint.systems.core.simclr import simclr

QUEUE, DECAY, TEMPERATURE = 512, 0.99, 0.2
SETUP = (
    f" A teacher of decay {DECAY} and a queue of {QUEUE} keys; temperature {TEMPERATURE}, one hidden layer in the head "
    "(MoCo v2)."
)


def moco() -> Recipe:
    """He et al. 2020 with Chen et al. 2020's head: each query against its own key and the queue."""
    return simclr().varied(
        "MoCo",
        objective=lambda: InfoNCE(TEMPERATURE),
        head=lambda width: projection(width, hidden=(width,)),
        procedure=lambda width: Chain(Teacher(DECAY, symmetric=False), Queue(QUEUE, width)),
    )
