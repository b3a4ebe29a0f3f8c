"""What completes a knowledge graph if nothing else is said."""

from __future__ import annotations

import math
from typing import Any

from counterpoint.data.items import Data
from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.geometry import Dot
from counterpoint.methods.recipe import Recipe, Takes
from counterpoint.methods.stage import Stage
from counterpoint.objectives import InfoNCE, Lengths
from counterpoint.training.config import TrainConfig

_STEPS = 1500
_FEWEST_EPOCHS = 3


def completion(data: Data, **options: Any) -> Recipe:
    """ComplEx, classified into the entities of the batch and 2,048 others, kept short by DURA.

    Where there are fewer than 2,048 entities it is the classification into all of Lacroix et al. 2018. Chosen on the
    validation parts of WN18RR, FB15k-237, UMLS and Kinship: the more entities, the shorter their vectors are to be.

    Args:
        data: Training rows: triples, asked both ways round.
        **options: Of `KnowledgeGraph`, such as `dim` or `relations`.

    Raises:
        InputError: Other data.

    Examples:
        >>> import torch
        >>> from counterpoint.data.items import Items
        >>> queries = Items("query", torch.tensor([[0, 0], [1, 1]]))
        >>> data = Data(queries, torch.arange(2), Items("entity", torch.arange(2)), torch.tensor([[1], [0]]))
        >>> recipe = completion(data, dim=4)
        >>> recipe.name, recipe.stages[0].train.steps
        ('ComplEx', 1500)
    """
    name, takes = "ComplEx", Takes("query", "entity", ("pairs",))
    takes.refuse(data, name)
    assert data.others is not None  # as it takes
    size = max(16, min(1024, len(data) // 16))
    train = TrainConfig(
        steps=max(_STEPS, math.ceil(_FEWEST_EPOCHS * len(data) / size)),
        batch_size=size,
        learning_rate=0.01,
        weight_decay=0.0,
        warmup=0.02,
        schedule="linear",
        clip=0.0,
        # rows of a table cost nothing to keep: one chunk
        chunk_tokens=1 << 24,
        validations=4,
    )
    short = 2.5e-3 * len(data.others) ** (1 / 3)
    stage = Stage(lambda: InfoNCE(1.0, geometry=Dot()) + short * Lengths(), train, shared=2048)
    return Recipe(name, (stage,), takes, lambda data, _: KnowledgeGraph.of(data, **options), similarity="dot")
