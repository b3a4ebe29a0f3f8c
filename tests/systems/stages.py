"""The stage of training that a system is."""

from __future__ import annotations

from counterpoint.methods import Recipe, Stage
from counterpoint.systems import get


def stage(name: str) -> Stage:
    """The last one of the system of that name."""
    method = get(name).method()
    assert isinstance(method, Recipe)
    return method.stages[-1]
