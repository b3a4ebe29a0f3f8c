"""What a system is: a choice of nouns, as one frozen value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from torch import nn

from counterpoint.objectives import Objective
from counterpoint.training.config import TrainConfig

if TYPE_CHECKING:
    from counterpoint.data.images import Images
    from counterpoint.data.types import Example
    from counterpoint.encoders._base import TextEncoder
    from counterpoint.encoders.towers import Towers
    from counterpoint.methods import Recipe, Takes
    from counterpoint.procedures import Procedure
    from counterpoint.training.payload import Batches
    from counterpoint.views import View


@dataclass(frozen=True)
class Config:
    """How an encoder is trained: what a system's function returns and what `fit` follows.

    Attributes:
        name: The system's.
        objective: Makes the objective; a fresh one each run, since it may learn.
        train: The loop's settings.
        head: From the encoder's dimension to a projection that is used in training only.
        procedure: From the encoder's dimension to what stands between the vectors and the objective in training.
        view: For systems on images: makes a random view. Systems on text have none.
        views: How many views of each image a batch has.
        batches: From images, view and number of views to batches; `ImageBatches` if not given.
        prompts: Put before texts of a kind (`query`, `document`).
        similarity: What vectors are compared with; with `dot` they are not scaled to length one.
        consistency: Keep a pair only if its document is among so many best for its query, by a copy of the encoder that
            was first trained on all pairs; 0: keep all.
        hard_negatives: How many to mine for each pair, from BM25, before training; 0: only those in the data.
        takes: Of systems on texts the data that they take; pairs and tuples if not given.

    Examples:
        >>> from counterpoint.objectives import InfoNCE
        >>> Config("mine", InfoNCE).train.batch_size
        64
    """

    name: str
    objective: Callable[[], Objective]
    train: TrainConfig = field(default_factory=TrainConfig)
    head: Callable[[int], nn.Module] | None = None
    procedure: Callable[[int], Procedure] | None = None
    view: View | None = None
    views: int = 2
    batches: Callable[[Images, View, int], Batches] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    similarity: Literal["cosine", "dot"] = "cosine"
    consistency: int = 0
    hard_negatives: int = 0
    takes: Takes | None = None

    def recipe(self) -> Recipe:
        """The same as a recipe."""
        from counterpoint.methods import Recipe, Stage, Takes
        from counterpoint.negatives.prepare import bm25_negatives, consistent_pairs

        plain = Stage(self.objective, self.train, self.head, self.procedure)
        if self.view is not None:
            stage = replace(plain, view=self.view, views=self.views)
            return Recipe(self.name, (stage,), Takes("image"))
        steps = ((consistent_pairs(plain, self.consistency),) if self.consistency else ()) + (
            (bm25_negatives(self.hard_negatives),) if self.hard_negatives else ()
        )
        takes = self.takes or Takes("text", "text")
        return Recipe(
            self.name, (replace(plain, prepare=steps),), takes, prompts=self.prompts, similarity=self.similarity
        )

    def prepare(self, encoder: TextEncoder | Towers, examples: Sequence[Example]) -> list[Example]:
        """Everything before training: sets the encoder's prompts and similarity; filters the pairs and mines for them.

        Args:
            encoder: Changed in place.
            examples: The training set.

        Returns:
            What to train on.

        Examples:
            >>> from counterpoint.data import Example
            >>> from counterpoint.encoders import StaticEncoder
            >>> from counterpoint.objectives import InfoNCE
            >>> encoder = StaticEncoder.from_corpus(["red", "green"], dim=4)
            >>> pairs = [Example("red fox", ("it is red",)), Example("red ant", ("so is this red one",))]
            >>> Config("mine", InfoNCE, similarity="dot", hard_negatives=1).prepare(encoder, pairs)[0].negatives
            ('so is this red one',)
            >>> encoder.normalize
            False
        """
        from counterpoint.encoders._base import TextEncoder
        from counterpoint.negatives import consistent, mine_bm25
        from counterpoint.training import TextBatches, train

        for part in encoder.modules():
            if isinstance(part, TextEncoder):
                part.prompts.update(self.prompts)
                part.normalize, part.similarity = part.normalize and self.similarity == "cosine", self.similarity
        examples = list(examples)
        if self.consistency:
            judge = copy.deepcopy(encoder)
            train(judge, TextBatches(examples, judge), self.objective(), self.train)
            examples = consistent(examples, judge, self.consistency, seed=self.train.seed)
        if self.hard_negatives:
            examples = mine_bm25(examples, self.hard_negatives)
        return examples
