"""Running systems whose data are made for the purpose, such as turned digits."""

from __future__ import annotations

from pathlib import Path

from counterpoint.config import Config
from counterpoint.errors import InputError
from counterpoint.systems.core._digits import Data
from counterpoint.systems.core._labelled import trained
from counterpoint.systems.core._versus import Metric
from counterpoint.systems.registry import Figures, Run, Say


def run_on(data: Data, metric: Metric, what: str) -> Run:
    """Train on the first part that `data` makes, measure on both; the user's data are refused."""

    def run(config: Config, source: str | None, output: Path, say: Say) -> Figures:
        del output
        if source is not None:
            raise InputError(
                "this system needs to know more of its pictures than their classes", fix="leave the data out"
            )
        parts = data(0)
        say(f"{parts[0].source}: {len(parts[0]):,} images to train on, {len(parts[1]):,} for test")
        return {f"{config.name}: {what}": metric(*trained(config, parts[0], 0), parts)}

    return run
