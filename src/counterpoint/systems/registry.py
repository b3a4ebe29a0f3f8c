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

from counterpoint.errors import InputError, refuse_string
from counterpoint.methods import Recipe
from counterpoint.testbeds import DIGITS, Arm, Figure, Make, Seen, Testbed, Tuned

Say: TypeAlias = Callable[[str], None]
Figures: TypeAlias = Mapping[str, float]
Run: TypeAlias = Callable[[Recipe, Path, Say], Figures]
"""From a method, a folder to leave things in and whom to tell of it."""
Check: TypeAlias = Callable[[int], Mapping[str, float]]
"""From a seed to the value of each arm (`ARMS`), for what no encoder's figure can say."""
ARMS = ("raw", "untrained", "baseline", "off", "system", "ceiling")
"""What a claim is measured on, as it is read from the floor up."""


@dataclass(frozen=True)
class Claim:
    """One thing a paper says, as something that can be measured.

    Attributes:
        text: What is claimed, one sentence.
        figure: What is measured; in words where `check` measures it.
        against: What the system is compared with, in words.
        bed: Where it is measured; None where `check` does.
        baseline: That, at the same budget; None where `check` has it.
        system: What stands for the system; None: its method.
        off: The system with its mechanism switched off, where that is not the baseline.
        ceiling: What could be reached; None: what the testbed says; a number where it is known.
        floors: What the baseline must be clearly better than: `raw`, `untrained`, or nothing where the figure means
            nothing there or the baseline is one of them.
        better: Which way the paper says the system is better.
        margin: For "as good as": how much worse it may be, fixed before it is measured.
        check: Measures it where no encoder's figure can.

    Raises:
        InputError: Arms that are tuned over other numbers of values, neither arms nor a check or both, a figure in
            words of arms, or a floor or direction that there is not.

    Examples:
        >>> Claim("memory stays", "MB", "the whole batch", better="lower", check=lambda seed: {"system": 1.0}).metric
        'MB'
    """

    text: str
    figure: Figure | str
    against: str
    bed: Testbed | None = None
    baseline: Arm | Seen | None = None
    system: Arm | Seen | None = None
    off: Arm | Seen | None = None
    ceiling: Arm | Seen | float | None = None
    floors: tuple[str, ...] = ("raw", "untrained")
    better: Literal["higher", "lower"] = "higher"
    margin: float = 0.0
    check: Check | None = None

    def __post_init__(self) -> None:
        refuse_string(self.floors, "floors")
        if (self.check is None) == (self.bed is None or self.baseline is None):
            raise InputError(f"{self.text!r} needs a testbed and a baseline, or a check", fix="give either")
        if self.check is not None and (self.bed is not None or self.baseline is not None):
            raise InputError(f"{self.text!r} has a check and a testbed or a baseline", fix="give either")
        if self.check is None and isinstance(self.figure, str):
            raise InputError(f"{self.text!r} names its figure in words", fix="give a Figure, or a check")
        if unknown := set(self.floors) - {"raw", "untrained"}:
            raise InputError(f"{self.text!r} has no floor {min(unknown)!r}", fix="choose from raw and untrained")
        if self.better not in ("higher", "lower"):
            raise InputError(f"{self.text!r} is better {self.better!r}", fix="say higher or lower")
        tried = {len(arm.values) for arm in (self.system, self.baseline) if isinstance(arm, Tuned)}
        if tried and (len(tried) > 1 or not isinstance(self.baseline, Tuned)):
            raise InputError(f"{self.text!r} tunes its arms unequally", fix="give each as many values")

    @property
    def metric(self) -> str:
        """What is measured, in words."""
        return self.figure if isinstance(self.figure, str) else self.figure.name


@dataclass(frozen=True)
class Signal:
    """What the mechanism moves inside, measured of the system and of the system without it.

    Attributes:
        figure: It.
        off: The system with its mechanism switched off.
        system: What stands for the system; None: its method.
        bed: Where it is measured; None: that of the main claim.
    """

    figure: Figure
    off: Arm
    system: Arm | None = None
    bed: Testbed | None = None


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
        sample: The small data that it runs on if it is given none.
        run: What it does there instead of training and measuring the main claim's figure; None: that.
        claims: What is measured, the main one first; none for a survey.
        signal: What its mechanism moves; None where the claims' own figures are that.
        setup: The measurement in a sentence or two: where it departs from the paper, and why.
    """

    name: str
    title: str
    year: int
    family: str
    method: Make
    mechanism: str
    sample: Testbed
    run: Run | None
    claims: tuple[Claim, ...]
    signal: Signal | None
    setup: str
    variants: Mapping[str, Make] = field(default_factory=dict)

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
    setup: str,
    claims: tuple[Claim, ...] = (),
    signal: Signal | None = None,
    sample: Testbed = DIGITS,
    run: Run | None = None,
    variants: Mapping[str, Make] | None = None,
    registry: Registry = REGISTRY,
) -> Callable[[Make], Make]:
    """Register the decorated function, which returns the system's method; see `System` for the rest.

    Raises:
        InputError: if the name is taken.
    """

    def register(method: Make) -> Make:
        about = (name, title, year, family, method, mechanism, sample, run, claims, signal, setup)
        registry.add(System(*about, variants or {}))
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
        >>> {"DPR", "E5"} <= {s.name for s in every() if s.family == "retrieval"}
        True
    """
    return sorted(_load().systems.values(), key=lambda s: (s.family, s.year, s.name.lower()))
