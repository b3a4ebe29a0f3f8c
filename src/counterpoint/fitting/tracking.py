"""What a run shows while it trains, in an experiment tracker: TensorBoard, Weights & Biases, Trackio."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError, MissingExtra
from counterpoint.files import write_json

TRACKERS = ("tensorboard", "wandb", "trackio")
_IN_EXTRA = ("accelerate", "tensorboard")
_PROJECT = "counterpoint"


def check_tracker(name: str) -> None:
    """Whether runs can be logged there, to be asked before any work.

    Raises:
        InputError: An unknown tracker, wandb or trackio is not installed, or a trackio too old to be told of steps.
        MissingExtra: TensorBoard, or accelerate, through which all are called, is not installed.

    Examples:
        >>> check_tracker("a diary")
        Traceback (most recent call last):
        counterpoint.errors.InputError: unknown tracker 'a diary'; choose tensorboard, wandb or trackio.
    """
    if name not in TRACKERS:
        raise InputError(f"unknown tracker {name!r}", fix=f"choose {', '.join(TRACKERS[:-1])} or {TRACKERS[-1]}")
    for module in ("accelerate", name):
        if importlib.util.find_spec(module) is None and module in _IN_EXTRA:
            raise MissingExtra(module, extra="log")
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{module} is not installed", fix=f"run: pip install {module}")
    if name == "trackio":
        run = importlib.import_module(name).Run
        if "step" not in inspect.signature(run.log).parameters:
            raise InputError("the installed trackio is too old to log steps", fix="run: pip install --upgrade trackio")


class Tracking:
    """Rows and figures of one run, through one of accelerate's trackers.

    Everything is logged once: the last step logged is kept with the run's checkpoint, and a run that goes on after a
    kill, which takes some steps again with the same values, is silent up to it. One process of a run holds one.

    Args:
        name: One of `TRACKERS`.
        run: The folder of the run. TensorBoard's and wandb's files are in its `logs`.
        settings: Recorded with it.
    """

    def __init__(self, name: str, run: Path, settings: Mapping[str, Any]) -> None:
        self._file = run / ".training" / f"{name}.json"
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._state = {"id": uuid.uuid4().hex[:12], "last": -1, "finished": False, **known}
        self._tracker = _make(name, run, self._state["id"], self._state["last"])
        # there is one process that logs, and it needs no accelerator to know
        self._tracker.main_process_only = False
        self._tracker.start()
        if not known:
            self._tracker.store_init_configuration({key: _plain(value) for key, value in settings.items()})
            self._keep()

    def row(self, row: Mapping[str, Any]) -> None:
        """Log a row of the history at its step: under `validation/` what was validated, under `train/` the rest."""
        step = int(row["step"])
        if step <= self._state["last"]:
            return
        self._tracker.log({_place(key): value for key, value in row.items() if _is_value(key, value)}, step=step)
        self._keep(last=step)

    def figures(self, figures: Mapping[str, float], step: int) -> None:
        """Log the final figures, under `test/`, and end."""
        if not self._state["finished"]:
            self._tracker.log({f"test/{name}": value for name, value in figures.items()}, step=step)
        self._tracker.finish()
        self._keep(finished=True)

    def _keep(self, **changed: Any) -> None:
        self._state |= changed
        write_json(self._file, self._state)


def _make(name: str, run: Path, key: str, last: int) -> Any:
    import torch
    from accelerate import PartialState, tracking

    PartialState(cpu=not torch.cuda.is_available())  # accelerate's own messages ask it which process this is
    logs = run / "logs"
    if name == "tensorboard":
        # what a kill left after `last` in the files, or another run before this one, is not shown
        return tracking.TensorBoardTracker(name, logs, purge_step=last + 1)
    if name == "wandb":
        logs.mkdir(parents=True, exist_ok=True)
        return tracking.WandBTracker(_PROJECT, name=run.name, id=key, resume="allow", dir=str(logs))
    return tracking.TrackioTracker(_PROJECT, name=f"{run.name}-{key}", resume="allow")


def _place(key: str) -> str:
    return f"validation/{key}" if key.startswith("dev") else f"train/{key}"


def _is_value(key: str, value: object) -> bool:
    return key not in ("step", "steps") and isinstance(value, (int, float))


def _plain(value: Any) -> str | bool | int | float:
    return value if isinstance(value, (str, bool, int, float)) else str(value)
