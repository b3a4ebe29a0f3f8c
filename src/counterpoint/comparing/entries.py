"""One run of one system with one seed, in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint.data.images import is_images, load_images
from counterpoint.errors import InputError
from counterpoint.files import remove, write_json

if TYPE_CHECKING:
    from counterpoint.config import Config


@dataclass(frozen=True)
class Job:
    """What is the same for all systems, and what is not.

    Attributes:
        source: Texts that `fit` takes, or images that `load_images` takes.
        base: What texts start from; images start from a small residual network with random weights.
        settings: Fields of `TrainConfig` to change, the same for all.
        reading: Options of `counterpoint.data.read`.
        system: A name in the ledger, as a slug.
        seed: Of the split of images, the start and the training; texts are split once, by seed 0.
    """

    source: str
    base: str = "static"
    settings: dict[str, Any] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)
    system: str = ""
    seed: int = 0

    @property
    def images(self) -> bool:
        """Whether the data are images."""
        return is_images(self.source)


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
    """Run a job and keep its entry in `folder`; a job on texts that was stopped goes on from its checkpoint."""
    from counterpoint.systems import get

    check_job(job)
    config = get(job.system).config()
    before = peak_mb()
    if job.images:
        metric, figures, seconds = _on_images(job, config)
    else:
        metric, figures, seconds = _on_texts(job, config, folder / f".{job.system}-{job.seed}")
    entry = Entry(config.name, job.seed, metric, figures, seconds, round(peak_mb() - before, 1))
    write_json(entry_file(job, folder), asdict(entry))


def check_job(job: Job) -> None:
    """Whether the system can be trained on such data, from the start and with the budget that all share.

    Raises:
        InputError: if not.
    """
    from counterpoint.systems import get

    system = get(job.system)
    for_images = system.config().view is not None
    if job.images and not for_images:
        raise InputError(f"{job.system} does not train on images", fix="choose one whose family is core")
    if for_images and not job.images:
        raise InputError(f"{job.system} trains on images, not on texts", fix="compare it on digits or emoji")
    if job.images and system.trains_itself:
        raise InputError(
            f"{job.system} trains in a way of its own, with another start or budget than all others",
            fix=f"counterpoint verify {job.system} measures it beside its baseline",
        )


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


def _on_texts(job: Job, config: Config, folder: Path) -> tuple[str, dict[str, float], float]:
    from counterpoint.fitting.bases import make_base
    from counterpoint.fitting.parts import load_parts
    from counterpoint.fitting.presets import preset, seen_by
    from counterpoint.fitting.prompts import share_prompt
    from counterpoint.fitting.task import make_task

    parts = load_parts(job.source, job.reading, 0.05, 0.1, 0, None)
    encoder = make_base(job.base, parts.train, job.seed)
    # the budget and its learning rate are those of the base, for all the same; the rest is the system's
    same = preset(parts.train, encoder).stages[-1].train
    recipe = config.recipe()
    recipe.takes.refuse(parts.train, recipe.name)
    recipe = replace(recipe, stages=tuple(replace(s, train=same) for s in recipe.stages)).changed(**job.settings)
    parts, recipe, _ = share_prompt(parts, seen_by(recipe, encoder), encoder)
    recipe.settle(encoder)
    task = make_task(parts, encoder)
    started = time.perf_counter()
    recipe.make(parts.train, job.seed, encoder=encoder, folder=folder, validate=lambda: {"dev": task.validate(encoder)})
    seconds = time.perf_counter() - started
    measured = task.measure(config.name, encoder)
    remove(folder)
    return task.metric, {name: f.value for name, f in measured.figures.items()}, round(seconds, 1)


def _on_images(job: Job, config: Config) -> tuple[str, dict[str, float], float]:
    from counterpoint.systems import get
    from counterpoint.systems.core._digits import accuracy, trained
    from counterpoint.systems.core._labelled import CLASSES, run_on_ten_classes
    from counterpoint.systems.core.simclr import simclr

    parts = load_images(job.source).split(seed=job.seed)
    found = 1 + int(parts[0].labels.max())
    if found > CLASSES and get(job.system).run is run_on_ten_classes:
        raise InputError(f"{found} classes, and {job.system} has {CLASSES}", fix="choose images of fewer classes")
    # the loop's settings are the same for all
    config = replace(config, train=simclr().train)
    # the same number of encoded views for all; 0: as many as for digits
    epochs = job.settings.get("epochs", 0) * 2 / config.views
    steps = math.ceil(epochs * max(1, len(parts[0]) // config.train.batch_size))
    started = time.perf_counter()
    model, _ = trained(config, parts[0], job.seed, steps=steps)
    seconds = time.perf_counter() - started
    return "probe accuracy", {"probe accuracy": accuracy(model, parts)}, round(seconds, 1)


def peak_mb() -> float:
    """The most memory this process has held, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)
