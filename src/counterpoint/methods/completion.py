"""What completes a knowledge graph if nothing else is said."""

from __future__ import annotations

import math
from typing import Any

from counterpoint.data.items import Data
from counterpoint.encoders.knowledge import OPERATORS, KnowledgeGraph
from counterpoint.geometry import GEOMETRIES, Dot
from counterpoint.methods.recipe import Recipe, Takes
from counterpoint.methods.stage import Stage
from counterpoint.objectives import InfoNCE, Lengths, self_adversarial
from counterpoint.training.config import TrainConfig

_STEPS = 1500
_FEWEST_EPOCHS = 3


def completion(data: Data, operator: str = "complex", **options: Any) -> Recipe:
    """How a model with that operator is trained.

    | similarity | objective | negatives |
    |---|---|---|
    | a product (ComplEx, DistMult) | InfoNCE, and DURA (`Lengths`) | the entities of the batch and 2,048 others |
    | a distance (TransE, RotatE) | self-adversarial (Sun et al. 2019) | 64 drawn for each query |

    Where there are fewer than 2,048 entities the first is the classification into all of Lacroix et al. 2018. It was
    chosen, with ComplEx, on the validation parts of WN18RR, FB15k-237, UMLS and Kinship: the more entities, the shorter
    their vectors are to be. All pairs of distances take too long.

    Args:
        data: Training rows: triples, asked both ways round.
        operator: A name in `counterpoint.encoders.OPERATORS`.
        **options: Of `KnowledgeGraph`, such as `dim` or `relations`.

    Raises:
        InputError: Other data.

    Examples:
        >>> import torch
        >>> from counterpoint.data.items import Items
        >>> queries = Items("query", torch.tensor([[0, 0], [1, 1]]))
        >>> data = Data(queries, torch.arange(2), Items("entity", torch.arange(2)), torch.tensor([[1], [0]]))
        >>> [(recipe.name, recipe.stages[0].shared) for recipe in map(lambda o: completion(data, o), OPERATORS)]
        [('TransE', 0), ('DistMult', 2048), ('ComplEx', 2048), ('RotatE', 0)]
    """
    chosen, takes = OPERATORS[operator], Takes("query", "entity", ("pairs",))
    takes.refuse(data, chosen.name)
    assert data.others is not None  # as it takes
    product = chosen.similarity == "dot"
    size = max(16, min(1024 if product else 512, len(data) // 16))
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
    if product:
        stage = Stage(lambda: InfoNCE(1.0, geometry=Dot()) + short * Lengths(), train, shared=2048)
    else:
        stage = Stage(lambda: self_adversarial(geometry=GEOMETRIES[chosen.similarity]), train, sampled=64)
    return Recipe(
        chosen.name,
        (stage,),
        takes,
        lambda data, _: KnowledgeGraph.of(data, operator=operator, **options),
        similarity="dot",
    )
