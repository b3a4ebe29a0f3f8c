"""The task of a run."""

from __future__ import annotations

from typing import Any

from counterpoint.data import Retrieval
from counterpoint.data.items import Data
from counterpoint.data.stored import some
from counterpoint.fitting.parts import Parts
from counterpoint.tasks import Collection, Task, task_for


def make_task(parts: Parts, encoder: Any) -> Task:
    """The task that fits the data of a run.

    Of shards the documents of `some` rows of training are among those that are searched. Where nothing is held out for
    validation the test part stands in its place, and nobody may validate by it.
    """
    given = parts.dev if parts.sizes["dev"] else parts.test
    dev, test = (Collection.of(p) if isinstance(p, Retrieval) else p for p in (given, parts.test))
    # of triples what is right in the test is no wrong answer on dev
    known = [test] if isinstance(test, Data) and test.modalities[0] == "query" else []
    return task_for(some(parts.train), dev, test, encoder, known)
