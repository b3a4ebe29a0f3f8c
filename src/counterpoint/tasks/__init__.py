"""Tasks: questions asked of an encoder, written once for all modalities."""

from counterpoint.tasks.both_ways import BothWays
from counterpoint.tasks.choose import task_for
from counterpoint.tasks.collection import Collection, halves, links, pairs, sentences, views, zero_shot
from counterpoint.tasks.find import Find, on_new
from counterpoint.tasks.floors import Frequent, Raw
from counterpoint.tasks.labels import Labels, LabelSets
from counterpoint.tasks.similar import Similar
from counterpoint.tasks.task import Encodes, EncodesEach, Measured, Task

__all__ = [
    "BothWays",
    "Collection",
    "Encodes",
    "EncodesEach",
    "Find",
    "Frequent",
    "LabelSets",
    "Labels",
    "Measured",
    "Raw",
    "Similar",
    "Task",
    "halves",
    "links",
    "on_new",
    "pairs",
    "sentences",
    "task_for",
    "views",
    "zero_shot",
]
