"""Several models as one: what their vectors are worth together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from counterpoint.data.items import Items
from counterpoint.encoders.features import Kind
from counterpoint.tasks import Encodes
from counterpoint.testbeds.bed import Arm, Made, Parts, Testbed

How = Literal["mean", "concatenation"]


class Together:
    """The mean of several encoders' vectors, or all of them side by side, each as its encoder gives it.

    Examples:
        >>> class Ones:
        ...     def encode_items(self, items, *, kind=None):
        ...         return np.ones((len(items), 2), np.float32)
        >>> text, both = Items("text", ["a"]), [Ones(), Ones()]
        >>> [Together(both, how).encode_items(text).shape for how in ("mean", "concatenation")]
        [(1, 2), (1, 4)]
    """

    def __init__(self, encoders: Sequence[Encodes], how: How) -> None:
        self.encoders, self.how = encoders, how

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One vector an item."""
        every = [encoder.encode_items(items, kind=kind) for encoder in self.encoders]
        whole: np.ndarray = np.mean(every, 0) if self.how == "mean" else np.concatenate(every, 1)
        return whole


@dataclass(frozen=True)
class Combined:
    """Models that are trained each by itself, with seeds of their own, and then encode together.

    Attributes:
        arms: What they are; twice the same is an ensemble of two.
        how: How their vectors become one.
    """

    arms: tuple[Arm, ...]
    how: How = "mean"

    @property
    def key(self) -> str:
        """Of all."""
        return f"{self.how} of {', '.join(arm.key for arm in self.arms)}"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Of all."""
        return tuple(function for arm in self.arms for function in arm.functions)

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """All of them, on parts of a testbed."""
        made = [arm.made(bed, parts, seed + 1000 * i) for i, arm in enumerate(self.arms)]
        collapsed = next((one.collapsed for one in made if one.collapsed), "")
        steps = sum(one.steps for one in made)
        whole = Together([one.encoder for one in made], self.how)
        return Made(" and ".join(one.name for one in made), whole, parts, seed, collapsed=collapsed, steps=steps)
