"""What completes a knowledge graph if nothing else is said."""

from __future__ import annotations

from typing import Any

from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.geometry import Dot
from counterpoint.methods.recipe import Recipe, Takes
from counterpoint.methods.stage import Stage
from counterpoint.objectives import InfoNCE, Lengths, Objective
from counterpoint.training.config import TrainConfig

_STEPS = 1500
_FEWEST_EPOCHS = 3


def completion(n: int, **options: Any) -> Recipe:
    """ComplEx, classified into the entities of the batch and 2,048 others, kept short by DURA.

    Chosen on the validation parts of WN18RR, FB15k-237, UMLS and Kinship. Where there are fewer than 2,048 entities it
    is the classification into all of Lacroix et al. 2018.

    Args:
        n: Training rows: triples, asked both ways round.
        **options: Of `KnowledgeGraph`, such as `dim` or `relations`.

    Examples:
        >>> recipe = completion(173_670)
        >>> recipe.name, recipe.stages[0].train.batch_size, round(recipe.stages[0].train.epochs, 1)
        ('ComplEx', 1024, 8.8)
    """
    size = max(16, min(1024, n // 16))
    train = TrainConfig(
        epochs=max(_FEWEST_EPOCHS, _STEPS * size / n),
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
    return Recipe(
        "ComplEx",
        (Stage(_objective, train, shared=2048),),
        Takes("query", "entity", ("pairs",)),
        lambda data, _: KnowledgeGraph.of(data, **options),
        similarity="dot",
    )


def _objective() -> Objective:
    return InfoNCE(1.0, geometry=Dot()) + 0.05 * Lengths()
