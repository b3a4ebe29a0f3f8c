"""From data to the task that fits them."""

from __future__ import annotations

from counterpoint.data.items import Data
from counterpoint.encoders import StaticEncoder
from counterpoint.tasks.collection import Collection, halves, pairs
from counterpoint.tasks.find import Find
from counterpoint.tasks.labels import Labels, LabelSets
from counterpoint.tasks.similar import Similar
from counterpoint.tasks.task import Encodes, Task


def task_for(train: Data, dev: Data | Collection, test: Data | Collection, encoder: Encodes) -> Task:
    """The task that fits the schema of the data.

    Args:
        train: What is trained on.
        dev: What to validate by.
        test: What to measure on: data of the same schema, or a collection of its own.
        encoder: Of the kind that is measured; where encoding is slow, dev is searched among fewer documents.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> rows = rows_of([Example("a", ("b",)), Example("c", ("d",))])
        >>> task = task_for(rows, rows, rows, StaticEncoder.from_corpus(["a b", "c d"], dim=2))
        >>> type(task).__name__, task.metric
        ('Find', 'mrr@10')
    """
    if isinstance(test, Data):
        if test.schema == "scored":
            return Similar(test, _rows(dev))
        if test.schema == "labelled":
            return (LabelSets if "labels" in train.columns else Labels)(train, test, _rows(dev))
    if train.schema == "items":
        dev, test = (halves(part) if isinstance(part, Data) else part for part in (dev, test))
    asked = [part if isinstance(part, Collection) else pairs(part, train) for part in (test, dev)]
    return Find(asked[0], asked[1].among(10_000 if isinstance(encoder, StaticEncoder) else 2_000))


def _rows(data: Data | Collection) -> Data:
    assert isinstance(data, Data)  # as the test is
    return data
