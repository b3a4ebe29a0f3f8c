"""What `fit` does when it is not told: a system by the schema of the data and the kind of the base model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from counterpoint.config import Config
from counterpoint.data.types import Schema
from counterpoint.objectives import CoSENT, InfoNCE, SupCon
from counterpoint.relation import Relation, overlap
from counterpoint.training.config import TrainConfig

BaseKind = Literal["static", "transformer"]

# A table of vectors is trained from scratch, with a high learning rate and no decay: a batch touches few of its rows. A
# pretrained transformer is moved a little.
_TRAIN: dict[BaseKind, TrainConfig] = {
    "static": TrainConfig(
        epochs=4, batch_size=2048, learning_rate=4e-3, weight_decay=0.0, chunk_tokens=1 << 20, clip=0.0, validations=4
    ),
    "transformer": TrainConfig(epochs=1, batch_size=64, learning_rate=2e-5, validations=5),
}
_FEWEST_STEPS = 100


def preset(schema: Schema, base: BaseKind, n: int, *, multilabel: bool = False) -> Config:
    """The system `fit` chooses for `n` training examples.

    | schema | system | objective |
    |---|---|---|
    | texts | SimCSE | InfoNCE, each text against itself under dropout |
    | pairs | InfoNCE both ways | the mean of queries against documents and documents against queries |
    | tuples | InfoNCE with hard negatives | queries against all documents, everybody's hard negatives among them |
    | scored | CoSENT | pairs in the order of their scores |
    | labelled | SupCon | same label together |
    | with several labels | SupCon, soft positives | the more labels two texts share, the closer together (`overlap`) |

    Examples:
        >>> preset("pairs", "static", 10_000).name
        'InfoNCE both ways'
    """
    train = _TRAIN[base]
    # a small data set is taken in smaller batches and more often, so that there are steps enough
    size = max(16, min(train.batch_size, n // 16))
    train = replace(
        train, batch_size=size, epochs=max(train.epochs, math.ceil(_FEWEST_STEPS * min(size, n) / max(n, 1)))
    )
    temperature = 0.02 if base == "static" else 0.05
    if schema == "texts":
        return Config("SimCSE (unsupervised)", lambda: InfoNCE(temperature), train)
    if schema == "pairs":
        return Config("InfoNCE both ways", lambda: InfoNCE(temperature, layout="symmetric"), train)
    if schema == "tuples":
        return Config("InfoNCE with hard negatives", lambda: InfoNCE(temperature), train)
    small = replace(train, batch_size=min(train.batch_size, 256), epochs=max(train.epochs, 4))
    if schema == "scored":
        return Config("CoSENT", CoSENT, small)
    if multilabel:
        return Config("SupCon, soft positives", lambda: SupCon(relation=Relation(overlap("labels"))), small)
    return Config("SupCon", SupCon, small)
