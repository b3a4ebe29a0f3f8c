"""One objective against another on digits: the same encoder, views, head and steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from counterpoint.config import Config
from counterpoint.data.images import digits
from counterpoint.systems.core._digits import accuracy, trained
from counterpoint.systems.registry import Figures, Measure, Pair

MakeConfig = Callable[[], Config]


@cache
def probe_accuracy(make: MakeConfig, seed: int) -> float:
    """Of a linear probe after training; kept, since several systems have the same baseline."""
    parts = digits().split(seed=seed)
    model, _ = trained(make(), parts[0], seed)
    return accuracy(model, parts)


def versus(ours: MakeConfig, *baselines: MakeConfig) -> Measure:
    """Measures one claim a baseline: the probe accuracy of `ours` and of it."""

    def measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
        return tuple((probe_accuracy(ours, seed), probe_accuracy(theirs, seed)) for theirs in baselines), {}

    return measure
