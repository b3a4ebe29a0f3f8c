"""Testbeds: where a claim is measured, and the arms that are measured there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Takes
from counterpoint.methods.recipe import Start
from counterpoint.objectives import Objective
from counterpoint.procedures import Procedure
from counterpoint.tasks import Collection, Encodes, Raw
from counterpoint.testbeds.naming import named, nameless

Parts: TypeAlias = tuple[Data, Data | Collection]
"""For training and for test."""
Make: TypeAlias = Callable[[], Recipe]
"""A method, by a function of a module: its name and code say what was measured."""


@dataclass(frozen=True)
class Testbed:
    """Small real data with a training and a test part, a start and a budget, the same for all that is compared there.

    Attributes:
        name: Short; unique.
        parts: From a seed to the parts; same seed, same parts.
        about: Data, start and budget, in a sentence or two.
        start: What training starts from; None: the method's own start.
        epochs: Passes over the training part with two views of an item; with four views half as many.
        steps: Steps in place of epochs.
        settings: Further fields of `TrainConfig`, the same for all.
        raw: What encodes there without having learned.
        ceiling: What could be reached there; None: the claim says.
        figures: Measured of every arm, so that what one system asks of a shared baseline is there for the next.
        apart: A column of the training part: settings are chosen on its first value and trained on the others, such as
            domains where the test is a new one; "": on rows of any.

    Examples:
        >>> from counterpoint.testbeds import DIGITS
        >>> train, test = DIGITS.parts(0)
        >>> len(train), len(test)
        (899, 898)
    """

    __test__ = False  # by its name a test runner would take it for a test

    name: str
    parts: Callable[[int], Parts]
    about: str
    start: Start | None = None
    epochs: float = 0.0
    steps: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    raw: Arm | None = None
    ceiling: Arm | None = None
    figures: tuple[Figure, ...] = ()
    apart: str = ""

    def settled(self, recipe: Recipe) -> Recipe:
        """A method with this testbed's start and budget; everything else is its own, its batch and rate, too.

        Several stages share the budget as their own steps or epochs are to each other.
        """
        lengths = [stage.train.steps or stage.train.epochs for stage in recipe.stages]
        stages = []
        for stage, length in zip(recipe.stages, lengths, strict=True):
            share = length / sum(lengths)
            budget: dict[str, Any] = {}
            if self.steps:
                budget = {"steps": max(1, round(self.steps * share))}
            elif self.epochs:
                budget = {"steps": 0, "epochs": self.epochs * share * 2 / max(stage.views, 1)}
            train = replace(stage.train, validations=1, **budget, **self.settings)
            stages.append(replace(stage, train=train))
        return replace(recipe, stages=tuple(stages), start=self.start or recipe.start)


@dataclass(frozen=True, eq=False)
class Made:
    """What came of an arm, to be measured.

    Attributes:
        name: Of the method.
        encoder: Trained, or not.
        parts: What it was trained on, and what it is tested on.
        seed: Of both.
        head: Of the last stage; the identity if there is none.
        procedure: Of the last stage.
        objective: Of the last stage.
        collapsed: What training ended in, if in a collapse.
        steps: Of all stages.
    """

    name: str
    encoder: Encodes
    parts: Parts
    seed: int
    head: nn.Module = field(default_factory=nn.Identity)
    procedure: Procedure | None = None
    objective: Objective | None = None
    collapsed: str = ""
    steps: int = 0

    @property
    def train(self) -> Data:
        """The training part."""
        return self.parts[0]

    @property
    def test(self) -> Data:
        """The test part, where it is rows."""
        assert isinstance(self.parts[1], Data)
        return self.parts[1]


@dataclass(frozen=True)
class Figure:
    """A number of a model.

    Attributes:
        name: As people read it; it tells it from others of the same function.
        of: From what was made to the number; a function with a name.
        spread: Whether it says how far vectors are spread, so that a collapse is what it measures.

    Raises:
        InputError: A lambda, whose code cannot be told from another's.

    Examples:
        >>> def seed(made):
        ...     return float(made.seed)
        >>> Figure("seed", seed).spread
        False
    """

    name: str
    of: Callable[[Made], float]
    spread: bool = False

    def __post_init__(self) -> None:
        if nameless(self.of):
            raise InputError("a lambda names no figure", fix="give a function of the module")


class Arm(Protocol):
    """One side of a comparison."""

    @property
    def key(self) -> str:
        """What it is, the same in every process; arms of one key are measured once."""
        ...

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """What its code is."""
        ...

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """It, on parts of a testbed."""
        ...


@dataclass(frozen=True)
class Trained:
    """A method, trained.

    Args:
        make: It.

    Raises:
        InputError: A function without a name of its own, which could not be told from another.
    """

    make: Make

    def __post_init__(self) -> None:
        if nameless(self.make):
            raise InputError("a lambda names no arm", fix="give a function of the module")

    @property
    def key(self) -> str:
        """The function's module and name, with what is bound."""
        return named(self.make)

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The method's."""
        return (self.make,)

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """From the bed's start, with its budget; on a CUDA device where there is one."""
        recipe, kept = bed.settled(self.make()), dict[str, Any]()
        last = recipe.stages[-1]

        def head(width: int) -> nn.Module:
            kept["head"] = nn.Identity() if last.head is None else last.head(width)
            module: nn.Module = kept["head"]
            return module

        def procedure(width: int) -> Procedure:
            assert last.procedure is not None
            kept["procedure"] = last.procedure(width)
            return kept["procedure"]  # type: ignore[no-any-return]

        def objective() -> Objective:
            kept["objective"] = last.objective()
            return kept["objective"]  # type: ignore[no-any-return]

        seen = recipe.varied(recipe.name, head=head, procedure=last.procedure and procedure, objective=objective)
        if recipe.start is not None and torch.cuda.is_available():
            seen = replace(seen, start=_on_cuda(recipe.start))
        encoder, result = seen.make(parts[0], seed)
        if isinstance(kept["head"], nn.Module):
            # figures give it what was encoded, which is on the processor
            kept["head"].eval().cpu()
        return Made(recipe.name, encoder, parts, seed, **kept, collapsed=result.collapsed, steps=result.steps)  # type: ignore[arg-type]


def _on_cuda(start: Start) -> Start:
    def placed(data: Data, seed: int) -> nn.Module:
        return start(data, seed).to("cuda")

    return placed


@dataclass(frozen=True)
class Untrained:
    """A start, not trained.

    Attributes:
        make: The method that it is of; None: that of the testbed, for whatever method.
    """

    make: Make | None = None

    @property
    def key(self) -> str:
        """That of the method."""
        return "untrained" if self.make is None else f"untrained {named(self.make)}"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The method's."""
        return () if self.make is None else (self.make,)

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """With the method's prompts."""
        bare = Recipe("untrained", (), Takes(), bed.start)
        recipe = bare if self.make is None else bed.settled(self.make())
        encoder = recipe.started(parts[0], seed)
        encoder = recipe.settle(encoder, seed)
        return Made("untrained", encoder, parts, seed)


@dataclass(frozen=True)
class Given:
    """What encodes without having learned, such as the pixels themselves."""

    name: str
    encoder: Callable[[Parts], Encodes]

    @property
    def key(self) -> str:
        """Its name."""
        return f"given {self.name}"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The encoder's."""
        return (self.encoder,)

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """It."""
        del bed
        return Made(self.name, self.encoder(parts), parts, seed)


@dataclass(frozen=True)
class Tuned:
    """A method with one setting chosen by a validation part of the training data, of as many values as its rival has.

    Attributes:
        make: From a value to the method.
        values: What is tried.

    Raises:
        InputError: No values.
    """

    make: Callable[[float], Recipe]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError("a method is tuned over no values", fix="give some")

    @property
    def key(self) -> str:
        """Of the function, and the values."""
        return f"{named(self.make)} of {self.values}"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The method's."""
        return (self.make,)

    def at(self, value: float) -> Trained:
        """With one value."""
        return Trained(partial(self.make, value))

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """Never as it is: `counterpoint.systems.jobs` chooses first."""
        del bed, parts, seed
        raise InputError(f"{self.key} has no value yet", fix="choose one")


@dataclass(frozen=True)
class Seen:
    """An arm that is measured by another figure than the system.

    Attributes:
        arm: None: the system itself.
        figure: The other one, such as a probe after the head.
    """

    arm: Arm | None
    figure: Figure


@dataclass(frozen=True)
class Richer:
    """An arm that is trained on the training part and with the budget of another testbed, and tested on this one.

    Attributes:
        arm: It.
        bed: Where it is trained, such as with more data and steps: what could be reached.
    """

    arm: Arm
    bed: Testbed

    @property
    def key(self) -> str:
        """Of both."""
        return f"{self.arm.key} on {self.bed.name}, {self.bed.epochs} epochs, {self.bed.steps} steps"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Of both."""
        return (*self.arm.functions, self.bed.parts, *(() if self.bed.start is None else (self.bed.start,)))

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """Trained there, with this testbed's parts to measure on."""
        del bed
        made = self.arm.made(self.bed, (self.bed.parts(seed)[0], parts[1]), seed)
        return replace(made, parts=parts)


def pixels(_parts: Parts) -> Raw:
    """As they are."""
    return Raw()


PIXELS = Given("pixels", pixels)
