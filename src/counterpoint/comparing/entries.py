"""One run of one system with one seed, in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError
from counterpoint.files import remove, write_json

if TYPE_CHECKING:
    from counterpoint.fitting.parts import Parts
    from counterpoint.methods import Recipe, Stage
    from counterpoint.training import TrainConfig


UNTRAINED = "untrained"
"""The start itself, in place of a system."""


@dataclass(frozen=True)
class Job:
    """What is the same for all systems, and what is not.

    Attributes:
        source: What `fit` takes.
        base: What all start from, see `counterpoint.fitting.bases.choose_base`.
        settings: Fields of `TrainConfig` to change, the same for all.
        reading: Options of the reader.
        on: Tests in place of what is held out of the source, see `read_tests`.
        system: A name in the ledger, as a slug, or `UNTRAINED`.
        seed: Of the start and the training; data are split once, by seed 0.
    """

    source: str
    base: str = "static"
    settings: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)
    on: list[str] = field(default_factory=list)
    system: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Entry:
    """What one run came to.

    Attributes:
        system: Its name.
        seed: The run's.
        metric: The main one of `figures`.
        figures: Higher is better.
        seconds: Of training alone.
        megabytes: How much the process grew in training and measuring.
    """

    system: str
    seed: int
    metric: str
    figures: dict[str, float]
    seconds: float
    megabytes: float


def run_job(job: Job, folder: Path) -> None:
    """Run a job and keep its entry in `folder`; one that was stopped goes on from its checkpoint."""
    recipe = recipe_of(job.system)
    before = peak_mb()
    metric, figures, seconds = _run(job, recipe, folder / f".{job.system}-{job.seed}")
    entry = Entry(recipe.name, job.seed, metric, figures, seconds, round(peak_mb() - before, 1))
    write_json(entry_file(job, folder), asdict(entry))


def check_job(job: Job, parts: Parts) -> None:
    """Whether the system can be trained on such data, from the start that all share.

    Raises:
        InputError: if not.
    """
    if job.system != UNTRAINED:
        recipe_of(job.system).refuse(parts.train)


def recipe_of(name: str) -> Recipe:
    """The method of a system, or one without any stage."""
    from counterpoint.methods import Recipe, Takes
    from counterpoint.systems import get
    from counterpoint.systems.registry import slug

    return Recipe(UNTRAINED, (), Takes()) if slug(name) == UNTRAINED else get(name).method()


def parts_of(job: Job, output: Path | None = None) -> Parts:
    """The data of all runs, split once; rejected rows are listed in `output`."""
    from counterpoint.fitting.parts import load_parts

    # nothing to validate by: what is compared is what the budget comes to, not which of its weights a proxy prefers
    return load_parts(job.source, job.reading, 0, 0 if job.on else 0.1, 0, output)


def entry_file(job: Job, folder: Path) -> Path:
    """Where a job's entry is kept."""
    return folder / f"{job.system}-{job.seed}.json"


def read_entry(file: Path) -> Entry:
    """What `run_job` kept.

    Raises:
        InputError: if it is damaged.
    """
    try:
        return Entry(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"the result cannot be read ({error})", file=file, fix="remove it to run it again") from error


def _run(job: Job, recipe: Recipe, folder: Path) -> tuple[str, dict[str, float], float]:
    from counterpoint.comparing.given import measured_on, read_tests
    from counterpoint.fitting.bases import make_base
    from counterpoint.fitting.presets import preset, seen_by
    from counterpoint.fitting.prompts import share_prompt
    from counterpoint.fitting.task import make_task

    parts, tests = parts_of(job), read_tests(job.on)
    check_job(job, parts)
    encoder = make_base(job.base, parts.train, job.seed)
    # the budget and its learning rate are those of the base, for all the same; the rest is the system's
    same = preset(parts.train, encoder).changed(**job.settings).stages[-1].train
    recipe = replace(recipe, stages=tuple(replace(s, train=_share(same, s, recipe)) for s in recipe.stages))
    parts, recipe, _ = share_prompt(parts, seen_by(recipe, encoder), encoder)
    encoder = recipe.settle(encoder, job.seed)
    task = None if tests else make_task(parts, encoder)
    started = time.perf_counter()
    if recipe.stages:
        recipe.make(parts.train, job.seed, encoder=encoder, folder=folder)
    seconds = time.perf_counter() - started
    if task is None:
        metric, figures = next(iter(found := measured_on(encoder, tests))), found
    else:
        measured = task.measure(recipe.name, encoder)
        metric, figures = task.metric, {name: f.value for name, f in measured.figures.items()}
    remove(folder)
    return metric, figures, round(seconds, 1)


def _share(same: TrainConfig, stage: Stage, recipe: Recipe) -> TrainConfig:
    """As many encoded views for all: fewer epochs where a batch has more of an item, and stages share them."""
    return replace(same, epochs=same.epochs * 2 / stage.views / len(recipe.stages))


def peak_mb() -> float:
    """The most memory this process has held, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)
