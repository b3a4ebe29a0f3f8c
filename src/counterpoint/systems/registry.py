"""The ledger: every published system that is implemented here, by name."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from counterpoint.errors import InputError
from counterpoint.methods import Recipe

Say: TypeAlias = Callable[[str], None]
Figures: TypeAlias = Mapping[str, float]
Run: TypeAlias = Callable[[Recipe, str | None, Path, Say], Figures]
"""From a method, the user's data (None: small included data), a folder to leave things in and whom to tell of it."""


@dataclass(frozen=True)
class Claim:
    """One thing a paper says, as something that can be measured.

    Attributes:
        text: What is claimed, one sentence.
        metric: What is measured.
        baseline: What the system is compared with, at the same budget.
        better: Which way the paper says the system is better.

    Examples:
        >>> Claim("dropout beats word deletion", "MRR@10", "word deletion").better
        'higher'
    """

    text: str
    metric: str
    baseline: str
    better: Literal["higher", "lower"] = "higher"


Pair: TypeAlias = tuple[float, float] | tuple[float, float, str]
"""The system's figure and the baseline's; and what training said, if it ended in a collapse."""
Measure: TypeAlias = Callable[[int], tuple[tuple[Pair, ...], Figures]]
"""From a seed to (system, baseline) for each claim, in order, and to further figures worth keeping."""


@dataclass(frozen=True)
class System:
    """A published system.

    Attributes:
        name: Short, as the field knows it; unique, whatever its case.
        title: The paper's, exactly.
        year: Of the paper.
        family: Which shelf it is on: the folder of its module.
        method: What it is: from data to a model.
        variants: Other methods of the same paper, by name.
        mechanism: Test id of what makes it that paper.
        run: On small real data or the user's.
        claims: What is measured, the main one first; none for a survey.
        measure: Measures the claims for one seed; None for a survey.
        setup: The measurement in a sentence or two: data, start, budget, and where it departs from the paper.
        module: Where it is defined.
    """

    name: str
    title: str
    year: int
    family: str
    method: Callable[[], Recipe]
    mechanism: str
    run: Run
    claims: tuple[Claim, ...]
    measure: Measure | None
    setup: str
    module: str
    variants: Mapping[str, Callable[[], Recipe]] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name as a file name and command line argument.

        Examples:
            >>> get("SimCSE").slug
            'simcse'
        """
        return slug(self.name)


def slug(name: str) -> str:
    """Lower case, and anything but letters and digits becomes a hyphen.

    Examples:
        >>> slug("SimCSE (supervised)")
        'simcse-supervised'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class Registry:
    """Systems by name; a taken name is refused.

    Examples:
        >>> Registry().systems
        {}
    """

    def __init__(self) -> None:
        self.systems: dict[str, System] = {}
        self._names: dict[str, System] = {}

    def add(self, system: System) -> None:
        """Register a system and its variants.

        Raises:
            InputError: if one of its names is taken.
        """
        entries = {slug(system.name): system}
        entries |= {slug(name): replace(system, method=method) for name, method in system.variants.items()}
        for name in entries:
            if name in self._names:
                taken = self._names[name]
                raise InputError(
                    f"a system is called {name!r} already: {taken.title} ({taken.year})", fix="choose another name"
                )
        self.systems[slug(system.name)] = system
        self._names |= entries

    def get(self, name: str) -> System:
        """The system of that name; for a variant's name, with the variant's method.

        Raises:
            InputError: if there is none, with the nearest name.
        """
        found = self._names.get(slug(name))
        if found is None:
            close = get_close_matches(slug(name), self._names, 1, 0.5)
            fix = (
                f"the nearest is {close[0]}, and counterpoint systems lists all"
                if close
                else f"choose from {', '.join(sorted(self._names))}"
            )
            raise InputError(f"no system is called {name!r}", fix=fix)
        return found


REGISTRY = Registry()


def system(
    name: str,
    *,
    title: str,
    year: int,
    family: str,
    mechanism: str,
    run: Run,
    claims: tuple[Claim, ...] = (),
    measure: Measure | None = None,
    setup: str,
    variants: Mapping[str, Callable[[], Recipe]] | None = None,
    registry: Registry = REGISTRY,
) -> Callable[[Callable[[], Recipe]], Callable[[], Recipe]]:
    """Register the decorated function, which returns the system's method; see `System` for the rest.

    Raises:
        InputError: if the name is taken.
    """

    def register(method: Callable[[], Recipe]) -> Callable[[], Recipe]:
        registry.add(
            System(
                name,
                title,
                year,
                family,
                method,
                mechanism,
                run,
                claims,
                measure,
                setup,
                method.__module__,
                variants or {},
            )
        )
        return method

    return register


@cache
def _load() -> Registry:
    """Import every module of every family."""
    package = importlib.import_module("counterpoint.systems")
    for family in pkgutil.iter_modules(package.__path__):
        if family.ispkg:
            home = importlib.import_module(f"counterpoint.systems.{family.name}")
            for module in pkgutil.iter_modules(home.__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{home.__name__}.{module.name}")
    return REGISTRY


def get(name: str) -> System:
    """The system of that name, whatever its case; for a variant's name, with the variant's method.

    Raises:
        InputError: if there is none, with the nearest name.

    Examples:
        >>> get("dpr").title
        'Dense Passage Retrieval for Open-Domain Question Answering'
    """
    return _load().get(name)


def every() -> list[System]:
    """All systems, by family, year and name.

    Examples:
        >>> [s.name for s in every() if s.family == "sentences"]
        ['SimCSE']
    """
    return sorted(_load().systems.values(), key=lambda s: (s.family, s.year, s.name.lower()))
