"""Surveys: a taxonomy, and what each of its families is called here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from counterpoint.errors import InputError
from counterpoint.methods import Recipe
from counterpoint.systems.registry import Figures, Run, Say

Taxonomy: TypeAlias = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Component, family, and the public names here of that family; a family without names is not here yet."""


def resolve(name: str) -> Any:
    """What a dotted public name stands for.

    Raises:
        InputError: if there is no such thing, or it is not public.

    Examples:
        >>> resolve("counterpoint.objectives.InfoNCE").__name__
        'InfoNCE'
    """
    home, _, last = name.rpartition(".")
    module = importlib.import_module(home)
    if last.startswith("_") or last not in getattr(module, "__all__", dir(module)):
        raise InputError(f"{home} has no public name {last!r}", fix="name what its documentation names")
    return getattr(module, last)


def naming(taxonomy: Taxonomy) -> Run:
    """What running a survey does: name what is here of every component, and count its families.

    Examples:
        >>> from counterpoint.methods import Takes
        >>> run = naming({"loss": {"softmax": ("counterpoint.objectives.InfoNCE",), "other": ()}})
        >>> run(Recipe("survey", (), Takes("nothing")), Path(), print)
        loss, softmax: counterpoint.objectives.InfoNCE
        loss, other: none yet
        {'loss: families of 2 that are here': 1.0}
    """

    def run(method: Recipe, output: Path, say: Say) -> Figures:
        del method, output
        figures = {}
        for component, families in taxonomy.items():
            for family, names in families.items():
                say(f"{component}, {family}: {', '.join(resolve(n) and n for n in names) or 'none yet'}")
            here = sum(map(bool, families.values()))
            figures[f"{component}: families of {len(families)} that are here"] = float(here)
        return figures

    return run
