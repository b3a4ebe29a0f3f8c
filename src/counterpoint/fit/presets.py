"""What `fit` does when it is not told: a system by the schema of the data and the kind of the base model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from counterpoint.config import Config
from counterpoint.data.types import Schema
from counterpoint.objectives import CoSENT, InfoNCE, SupCon
from counterpoint.train.config import TrainConfig

BaseKind = Literal["static", "transformer"]

# A table of vectors is trained from scratch, on large batches, with a high learning rate and no decay: most of its
# rows are not touched by a batch. A pretrained transformer is moved a little.
_TRAIN: dict[BaseKind, TrainConfig] = {
    "static": TrainConfig(
        epochs=6, batch_size=2048, learning_rate=2e-2, weight_decay=0.0, warmup=0.05, chunk_tokens=1 << 20, clip=0.0
    ),
    "transformer": TrainConfig(epochs=1, batch_size=64, learning_rate=2e-5),
}


def preset(schema: Schema, base: BaseKind) -> Config:
    """The system `fit` chooses.

    | schema | system | objective |
    |---|---|---|
    | texts | SimCSE | InfoNCE, each text against itself under dropout |
    | pairs | InfoNCE both ways | the mean of queries against documents and documents against queries |
    | tuples | InfoNCE with hard negatives | queries against all documents, everybody's hard negatives among them |
    | scored | CoSENT | pairs in the order of their scores |
    | labelled | SupCon | same label together |

    Example:
        >>> preset("pairs", "static").name
        'InfoNCE both ways'
    """
    train = _TRAIN[base]
    if schema == "texts":
        return Config("SimCSE (unsupervised)", lambda: InfoNCE(0.05), train)
    if schema == "pairs":
        return Config("InfoNCE both ways", lambda: InfoNCE(0.05, layout="symmetric"), train)
    if schema == "tuples":
        return Config("InfoNCE with hard negatives", lambda: InfoNCE(0.05), train)
    small = replace(train, batch_size=min(train.batch_size, 256))
    if schema == "scored":
        return Config("CoSENT", CoSENT, replace(small, epochs=4))
    return Config("SupCon", SupCon, replace(small, epochs=4))
