"""Several sources in one run: the figures of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from counterpoint import report
from counterpoint.data.items import Data
from counterpoint.fitting.content import difference, system
from counterpoint.fitting.parts import Parts
from counterpoint.fitting.task import make_task
from counterpoint.tasks import Measured


class EachSource:
    """Measures systems on the test rows of each source by itself.

    Of one source, of triples, or where the test is a file of its own, nothing.

    Args:
        parts: The data of the run.
        encoder: Of the kind that is measured.
    """

    def __init__(self, parts: Parts, encoder: Any) -> None:
        self.tasks, self.measured = {}, dict[str, list[Measured]]()
        test = parts.test
        if not isinstance(test, Data) or "source" not in test.columns or test.modalities[0] == "query":
            return
        for number, name in enumerate(parts.sources):
            rows = (test.columns["source"] == number).nonzero()[:, 0]
            if len(rows) > 1:
                self.tasks[name] = make_task(replace(parts, test=test[rows]), encoder)
        self.measured = {name: [] for name in self.tasks}

    def baselines(self, language: str) -> None:
        """What is measured without an encoder."""
        for name, task in self.tasks.items():
            self.measured[name] += task.baselines(language)

    def measure(self, called: str, encoder: Any) -> None:
        """An encoder."""
        for name, task in self.tasks.items():
            self.measured[name].append(task.measure(called, encoder))

    def groups(self) -> tuple[report.Group, ...]:
        """What the report says; the last that was measured is the model."""
        found = []
        for name, task in self.tasks.items():
            *others, own = self.measured[name]
            rivals = [m for m in others if own.figures[task.metric].n > 1 and task.metric in m.figures]
            less = task.metric in task.lower
            differences = tuple(difference(own, m, task.metric, less=less) for m in rivals)
            systems = tuple(system(m, task.lower) for m in self.measured[name])
            found.append(report.Group("source", name, systems, differences))
        return tuple(found)
