"""What `fit` does when it is not told: a recipe by what the data are and what is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.passages import of_several_sentences
from counterpoint.data.stored import is_stored
from counterpoint.encoders import StaticEncoder, drop_tokens
from counterpoint.encoders.features import Features
from counterpoint.encoders.image import PixelEncoder
from counterpoint.encoders.knowledge import KnowledgeGraph
from counterpoint.encoders.towers import Towers
from counterpoint.geometry import Temperature
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.completion import completion
from counterpoint.objectives import CoSENT, InfoNCE, SupCon
from counterpoint.relation import Relation, overlap
from counterpoint.training.config import TrainConfig
from counterpoint.views.standard import picture_view
from counterpoint.views.texts import inverse_cloze

Base = Literal["static", "transformer", "picture", "two", "graph"]

# A table of vectors is trained from scratch, with a high learning rate and no decay: a batch touches few of its rows. A
# pretrained transformer is moved a little. Networks of pictures start from nothing and need many views of each.
_TRAIN: dict[Base, TrainConfig] = {
    "static": TrainConfig(
        epochs=4, batch_size=2048, learning_rate=4e-3, weight_decay=0.0, chunk_tokens=1 << 20, clip=0.0, validations=4
    ),
    "transformer": TrainConfig(epochs=1, batch_size=64, learning_rate=2e-5, validations=5),
    "picture": TrainConfig(batch_size=256, learning_rate=1e-3, weight_decay=1e-4),
    "two": TrainConfig(batch_size=128, learning_rate=1e-3, weight_decay=1e-4),
}
_CLOZE = "inverse cloze (unsupervised)"
_FEWEST_STEPS = 100
_VIEWS = 300_000
"""Pictures that are seen in a run, each in two views, within 10 to 200 epochs."""
_TOKEN_DROPOUT = 0.2
"""Share of a document's tokens left out in training: a static base's view, as dropout is a transformer's."""


def preset(data: Data, encoder: nn.Module) -> Recipe:
    """The recipe that `fit` chooses.

    | data | recipe | objective |
    |---|---|---|
    | texts | SimCSE | InfoNCE, each text against itself under dropout |
    | texts, at least half of several sentences | inverse cloze | InfoNCE both ways, a sentence against the rest |
    | pairs of texts | InfoNCE both ways | the mean of queries against documents and documents against queries |
    | tuples of texts | InfoNCE with hard negatives | queries against all documents, everybody's hard negatives too |
    | scored pairs | CoSENT | pairs in the order of their scores |
    | texts or pictures with labels | SupCon | same label together |
    | texts with several labels | SupCon, soft positives | the more labels two share, the closer together (`overlap`) |
    | pictures | SimCLR | InfoNCE, two views of each picture against all others |
    | pictures with texts | CLIP | InfoNCE both ways, with a temperature that is learned |
    | triples | ComplEx, DistMult | InfoNCE against the entities of the batch and 2,048 others, vectors kept short |
    | the same | TransE, RotatE | self-adversarial, with negatives drawn for each query |

    Of shards texts are SimCSE's whatever their sentences.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("a", ("b",)), Example("c", ("d",))])
        >>> preset(data, StaticEncoder.from_corpus(["a b", "c d"], dim=4)).name
        'InfoNCE both ways'
    """
    kind = base_kind(encoder)
    if kind == "graph":
        return completion(data, str(encoder.operator))
    if kind == "two":
        return _two(data)
    if kind == "picture":
        return _pictures(data)
    train, n, schema = _TRAIN[kind], len(data), data.schema
    # a small data set is taken in smaller batches and more often, so that there are steps enough
    size = max(16, min(train.batch_size, n // 16))
    train = replace(
        train, batch_size=size, epochs=max(train.epochs, math.ceil(_FEWEST_STEPS * min(size, n) / max(n, 1)))
    )
    small = replace(train, batch_size=min(train.batch_size, 256), epochs=max(train.epochs, 4))
    temperature = 0.02 if kind == "static" else 0.05
    if schema == "items" and not is_stored(data) and 2 * of_several_sentences(data.anchors[data.anchor].texts) >= n:
        cloze = Stage(lambda: InfoNCE(temperature, layout="symmetric"), train, prepare=(inverse_cloze(),))
        return Recipe(_CLOZE, (cloze,), Takes("text"))
    if schema == "items":
        return Recipe("SimCSE (unsupervised)", (Stage(lambda: InfoNCE(temperature), train),), Takes("text"))
    if schema == "labelled":
        several = "labels" in data.columns
        soft = (lambda: SupCon(relation=Relation(overlap("labels")))) if several else SupCon
        name = "SupCon, soft positives" if several else "SupCon"
        return Recipe(name, (Stage(soft, small, views=1),), Takes("text", schemas=("labelled",)))
    takes = Takes("text", "text", (schema,))
    if schema == "scored":
        return Recipe("CoSENT", (Stage(CoSENT, small),), takes)
    if schema == "pairs":
        both = Stage(lambda: InfoNCE(temperature, layout="symmetric"), train)
        return Recipe("InfoNCE both ways", (both,), takes)
    return Recipe("InfoNCE with hard negatives", (Stage(lambda: InfoNCE(temperature), train),), takes)


def left_out(train: Data, recipe: Recipe) -> tuple[str, ...]:
    """What there is to say of texts that the recipe of `preset` does not train on.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> data = Data.alone(Items("text", ["It is red. It flies.", "one alone"]))
        >>> left_out(data, preset(data, StaticEncoder.from_corpus(["a b"], dim=2)))
        ('1 of 2 texts are of one sentence, and are not trained on',)
    """
    alone = len(train) - of_several_sentences(train.anchors[train.anchor].texts) if recipe.name == _CLOZE else 0
    return (f"{alone:,} of {len(train):,} texts are of one sentence, and are not trained on",) if alone else ()


def base_kind(encoder: nn.Module) -> Base:
    """Which settings suit what is trained."""
    if isinstance(encoder, KnowledgeGraph):
        return "graph"
    if isinstance(encoder, Towers):
        return "two"
    if isinstance(encoder, PixelEncoder):
        return "picture"
    return "static" if isinstance(encoder, StaticEncoder) else "transformer"


def seen_by(recipe: Recipe, encoder: nn.Module) -> Recipe:
    """The recipe with the view of a static base, where it has none of its own: documents lose some of their tokens.

    Examples:
        >>> recipe = Recipe("mine", (Stage(InfoNCE),), Takes("text", "text"))
        >>> seen_by(recipe, StaticEncoder.from_corpus(["a b"], dim=2)).stages[0].view is None
        False
    """
    if not isinstance(encoder, StaticEncoder):
        return recipe

    def dropped(share: float) -> Callable[[Features], Features]:
        return lambda features: drop_tokens(features, share)

    view = (dropped(0.0), dropped(_TOKEN_DROPOUT))
    return replace(recipe, stages=tuple(replace(s, view=s.view or view) for s in recipe.stages))


def _pictures(data: Data) -> Recipe:
    train = _of_pictures("picture", len(data))
    stage = Stage(
        lambda: InfoNCE(0.5, layout="views"),
        train,
        head=lambda width: projection(width, hidden=(width,)),
        view=picture_view(),
    )
    if data.schema == "labelled":
        return Recipe("SupCon", (replace(stage, objective=lambda: SupCon(0.1)),), Takes("image", schemas=("labelled",)))
    return Recipe("SimCLR", (stage,), Takes("image"))


def _two(data: Data) -> Recipe:
    train = _of_pictures("two", len(data))
    stage = Stage(lambda: InfoNCE(Temperature(0.07), layout="symmetric"), train, view=(picture_view(), None))
    return Recipe("CLIP", (stage,), Takes("image", "text"))


def _of_pictures(kind: Base, n: int) -> TrainConfig:
    train = _TRAIN[kind]
    size = max(16, min(train.batch_size, n // 8))
    return replace(train, batch_size=size, epochs=float(min(200, max(10, round(_VIEWS / max(n, 1))))))
