"""How to train: one frozen dataclass, every field with the default that suits most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from counterpoint.errors import InputError

_NAMES = {
    "optimizer": ("adamw", "sgd"),
    "schedule": ("cosine", "linear", "constant"),
    "dtype": ("auto", "float32", "bfloat16"),
}
"""What settings that are names can be."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training loop.

    Attributes:
        epochs: Passes over the data.
        steps: Steps, whatever the size of the data, in place of `epochs`; 0: as many as these make.
        batch_size: Examples that are contrasted with each other in a step, over all processes. More examples are more
            negatives; memory does not grow with it (see `chunk_tokens`).
        accumulate: Batches whose gradients are averaged before a step. Unlike a larger `batch_size` this adds no
            negatives: each batch is contrasted within itself only.
        learning_rate: The highest, after warm-up.
        optimizer: `"adamw"`, or `"sgd"`: plain gradient descent, for what theory says of it.
        weight_decay: For matrices only.
        betas: Of AdamW.
        warmup: Fraction of all steps over which the learning rate rises from 0.
        schedule: What it does then, until the end: falls as a half cosine or a straight line to 0, or stays.
        clip: Largest norm of the gradient; 0: not clipped.
        average: Weights are also averaged over steps, `a <- average * a + (1 - average) * w`, and the average is what
            is validated and kept; 0: no averaging.
        chunk_tokens: Tokens encoded at once. A batch with more is encoded in chunks, twice, with the exact gradient of
            the whole (`counterpoint.engine.cached`).
        dtype: `"auto"`: bfloat16 autocast where the processor is fast at it, else float32.
        validations: How many times to validate, evenly spread; the best weights are kept.
        patience: Stop after so many validations without a new best; 0: never.
        checkpoint_seconds: At most so much work is lost in a kill.
        seed: Everything random follows from it.

    Raises:
        InputError: for a value out of its range.

    Examples:
        >>> TrainConfig(epochs=3).batch_size
        64
    """

    epochs: float = 1.0
    steps: int = 0
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float = 2e-5
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: float = 0.1
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    clip: float = 1.0
    average: float = 0.0
    chunk_tokens: int = 8192
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    validations: int = 10
    patience: int = 0
    checkpoint_seconds: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "chunk_tokens", "validations"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}, it must be above 0 and finite")
        if self.steps < 0:
            raise InputError(f"steps is {self.steps}, it must be 0 or more")
        for name in ("warmup", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, it must be from 0 to below 1")
        for name, known in _NAMES.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}", fix=f"choose one of {', '.join(known)}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}, it must be from 0 to below 2^63")
        if self.batch_size < 2:
            raise InputError("batch_size is 1, and one example has nothing to be contrasted with", fix="use 2 or more")
