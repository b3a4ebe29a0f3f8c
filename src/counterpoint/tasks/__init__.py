"""Tasks: questions asked of an encoder, written once for all modalities."""

from counterpoint.tasks.choose import task_for
from counterpoint.tasks.collection import Collection, halves, pairs
from counterpoint.tasks.find import Find, on_new
from counterpoint.tasks.labels import Labels, LabelSets
from counterpoint.tasks.similar import Similar
from counterpoint.tasks.task import Encodes, Measured, Task, similarity_of

__all__ = [
    "Collection",
    "Encodes",
    "Find",
    "LabelSets",
    "Labels",
    "Measured",
    "Similar",
    "Task",
    "halves",
    "on_new",
    "pairs",
    "similarity_of",
    "task_for",
]
