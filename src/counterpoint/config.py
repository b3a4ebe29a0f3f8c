"""What a system is: a choice of nouns, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from counterpoint.objectives import Objective
from counterpoint.train.config import TrainConfig


@dataclass(frozen=True)
class Config:
    """How an encoder is trained: what a system's function returns and what `fit` follows.

    Attributes:
        name: The system's.
        objective: Makes the objective; a fresh one each run, since it may learn.
        train: The loop's settings.
        head: From the encoder's dimension to a projection that is used in training only.
        prompts: Put before texts of a kind (`query`, `document`).
        hard_negatives: How many to mine for each pair, from BM25, before training; 0: only those in the data.
        consistency: Keep a pair only if its document is among so many best for its query, by the base itself; 0: all.

    Example:
        >>> from counterpoint.objectives import InfoNCE
        >>> Config("mine", InfoNCE).train.batch_size
        64
    """

    name: str
    objective: Callable[[], Objective]
    train: TrainConfig = field(default_factory=TrainConfig)
    head: Callable[[int], nn.Module] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    hard_negatives: int = 0
    consistency: int = 0
