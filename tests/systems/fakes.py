"""Systems whose arms take milliseconds, to see how they are measured; what was made is written to a file."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders.image import Perceptron
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.systems import jobs
from counterpoint.systems.registry import Claim, Registry, Signal, System
from counterpoint.testbeds import Figure, Given, Made, Parts, Seen, Testbed, Trained, Tuned
from counterpoint.training import TrainConfig

TRAIN, TEST = 0, 1
"""What the column `part` says."""
LOG = "FAKES_LOG"
"""The environment's name of the file that every arm that is made is written to, and every figure that is measured."""


def note(*words: Any) -> None:
    """A line of the log."""
    with Path(os.environ[LOG]).open("a") as file:
        print(*words, file=file)


def rows(seed: int) -> Parts:
    """Forty pictures of four pixels, and twelve."""
    generator = torch.Generator().manual_seed(seed)
    pixels = [torch.randn(n, 1, 2, 2, generator=generator) for n in (40, 12)]
    train, test = (
        Data.alone(Items("image", x), part=torch.full((len(x),), part), label=torch.arange(len(x)) % 2)
        for x, part in zip(pixels, (TRAIN, TEST), strict=True)
    )
    return train, test


def missing(seed: int) -> Parts:
    """Data that are not there."""
    raise InputError("the data are not there", fix="put them there")


def start(data: Data, seed: int) -> Perceptron:
    """A small network."""
    del data, seed
    return Perceptron(4, hidden=(16,), dim=8)


@dataclass(frozen=True)
class Fixed:
    """An arm that is only a name, for a figure to look up."""

    name: str

    @property
    def key(self) -> str:
        """Its name."""
        return f"fixed {self.name}"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """None."""
        return ()

    def made(self, bed: Testbed, parts: Parts, seed: int) -> Made:
        """It."""
        note("made", self.name, bed.name, seed)
        collapsed = "all vectors are the same" if self.name == "collapsing" else ""
        return Made(self.name, start(parts[0], seed), parts, seed, collapsed=collapsed, steps=7)


def pixels(parts: Parts) -> Any:
    """The first two of each."""

    class Two:
        def encode_items(self, items: Items, *, kind: Any = None) -> np.ndarray:
            return items.tensor.flatten(1)[:, :2].numpy()

    note("made", "pixels")
    del parts
    return Two()


def trained(temperature: float = 0.5) -> Recipe:
    """Two steps."""

    def objective() -> InfoNCE:
        note("made", f"trained {temperature}")
        return InfoNCE(temperature, layout="views")

    train = TrainConfig(steps=2, batch_size=8, learning_rate=1e-2, dtype="float32")
    stage = Stage(objective, train, view=dimmed)
    return Recipe(f"temperature {temperature}", (stage,), Takes("image"), start)


def dimmed(pixels: torch.Tensor) -> torch.Tensor:
    """A random view."""
    return pixels * torch.rand(len(pixels), 1, 1, 1)


VALUES = {"low": 0.1, "middle": 0.4, "high": 0.6, "best": 0.9, "collapsing": 0.7}


def looked_up(made: Made) -> float:
    """What is written above, and a little by the seed."""
    return VALUES[made.name] + 0.001 * made.seed


def other(made: Made) -> float:
    """Another figure."""
    return 1 - VALUES[made.name]


def mean(made: Made) -> float:
    """Of all that the encoder makes of the test part: everything of training is in it."""
    return float(made.encoder.encode_items(made.test.anchors[made.test.anchor]).mean())


ON_VALIDATION = {"temperature 0.1": 1.0, "temperature 0.5": 3.0, "temperature 0.9": 2.0}
ON_TEST = {"temperature 0.1": 3.0, "temperature 0.5": 2.0, "temperature 0.9": 1.0}


def by_part(made: Made) -> float:
    """One order on rows of the training part, another on those of the test."""
    part = int(made.test.columns["part"].unique())
    note("figure", made.name, part, len(made.test), made.seed)
    return (ON_VALIDATION if part == TRAIN else ON_TEST)[made.name]


def lost(made: Made) -> float:
    """Not a number."""
    del made
    return float("nan")


def start_a_worker(pipe: Any) -> None:
    """A process as those that measure, which holds the pipe's end and does nothing."""
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=wait, args=(pipe,))
    worker.start()
    pipe.send(worker.pid)
    worker.join()


def wait(pipe: Any) -> None:
    """Begin, and hold the pipe's end."""
    jobs.begin(1)
    pipe.send("begun")
    time.sleep(120)
    pipe.close()


def chance(made: Made) -> float:
    """A figure that draws numbers."""
    return float(torch.rand(1)) + 0 * made.seed


def checked(seed: int) -> dict[str, float]:
    """What no encoder's figure says."""
    note("checked", seed)
    return {"system": 2.0 + seed / 10, "baseline": 1.0, "ceiling": 3.0}


VALUE, OTHER, MEAN = Figure("value", looked_up), Figure("other", other), Figure("mean", mean)
BED = Testbed("fake", rows, "forty rows", start, steps=2, raw=Given("pixels", pixels))
PLACES = Testbed("fake places", rows, "forty rows, of which nothing is raw", start, steps=2)
LOW, MIDDLE, HIGH, BEST = map(Fixed, ("low", "middle", "high", "best"))
TEMPERATURES = (0.1, 0.5, 0.9)


def claim(figure: Figure = VALUE, bed: Testbed = PLACES, **arms: Any) -> Claim:
    """High against middle, with a floor and a ceiling, where nothing else is said."""
    about = {"baseline": MIDDLE, "system": HIGH, "ceiling": BEST, "floors": ()} | arms
    return Claim("it is better", figure, "middle", bed, **about)


def system(name: str, *claims: Claim, signal: Signal | None = None, method: Any = trained) -> System:
    """With these claims."""
    return System(name, name, 2024, "core", method, "no::test", PLACES, None, claims, signal, "")


SYSTEMS = (
    system("one", claim(), claim(OTHER, better="lower")),
    system("shared", claim(off=LOW), signal=Signal(VALUE, off=LOW, system=HIGH)),
    system("whole", claim(MEAN, BED, baseline=Seen(None, Figure("chance", chance)), system=None, floors=("raw",))),
    system("checking", Claim("it is more", "how much", "less", better="higher", check=checked)),
    system("missing", claim(bed=Testbed("not there", missing, "nothing", start))),
    system("tuned", claim(Figure("by part", by_part), baseline=Tuned(trained, TEMPERATURES),
                          system=Tuned(trained, TEMPERATURES), ceiling=None)),
    system(
        "either way",
        *(claim(Figure("by part", by_part), baseline=Tuned(trained, TEMPERATURES), better=better,
                system=Tuned(trained, TEMPERATURES), ceiling=None) for better in ("higher", "lower")),
    ),
    system("real", claim(MEAN, baseline=Trained(trained), system=None, ceiling=None),
           claim(Figure("chance", chance), baseline=Trained(trained), system=None, ceiling=None)),
)  # fmt: skip


def register(registry: Registry) -> Registry:
    """All of them there."""
    for each in SYSTEMS:
        registry.add(each)
    return registry
