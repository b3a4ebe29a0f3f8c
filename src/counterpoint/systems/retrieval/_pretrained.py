"""Pre-training on documents, then fine-tuning on questions with them, as the systems that do so share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import first_token
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.pretraining import Condenser, Guessing, MaskedLM, transformer
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.documents import ASKED_BY_BERT
from counterpoint.training import TrainConfig
from counterpoint.views import in_pieces

PRETRAINING = TrainConfig(epochs=8, batch_size=2048, learning_rate=1e-4, schedule="linear")
LONGEST = 48
"""Words of a span."""
mined = bm25_negatives()
"""A negative for each question."""
SETUP = (
    "A BERT in miniature with random weights stands in for BERT-base, SciFact's 5,183 abstracts for MS MARCO or "
    "Wikipedia, their titles for questions, its claims for those of the test; pre-training and fine-tuning share 200 "
    "steps of 16. All decoders are dropped before fine-tuning, which is of the first token's state by inner products, "
    "with one BM25 negative a question and in one round. Each word is masked with the given probability, where theirs "
    "masks exactly that share; biases of tokens begin as the logarithm of how frequent each is. So small a model finds "
    "far less than BM25 whatever its pre-training: a trained BERT is needed to tell. The ceiling has the test's claims "
    "among its training claims. "
)


def documents(data: Data) -> list[str]:
    """What is found: each document of the pairs once."""
    assert data.others is not None
    return list(dict.fromkeys(data.others.texts))


def in_spans(data: Data) -> list[list[str]]:
    """The spans of each document."""
    return [in_pieces(text, LONGEST) for text in documents(data)]


def guesses_of_spans(data: Data, encoder: nn.Module, kind: type[MaskedLM] = MaskedLM, **options: Any) -> MaskedLM:
    """Each span by itself."""
    spans = [span for document in in_spans(data) for span in document]
    return kind(transformer(encoder), spans, bias=True, whole_words=True, **options)


def condensed_spans(data: Data, encoder: nn.Module) -> MaskedLM:
    """By a Condenser."""
    return guesses_of_spans(data, encoder, Condenser)


def contrast() -> InfoNCE:
    """Of fine-tuning: inner products, no temperature, all documents of the batch."""
    return InfoNCE(1.0, geometry=Dot())


def pretrained(
    name: str,
    task: Callable[[Data, nn.Module], Guessing],
    objective: Callable[[], Objective],
    train: TrainConfig = PRETRAINING,
    fine: TrainConfig | None = None,
) -> Recipe:
    """A task on the documents, then fine-tuning."""
    tuned = fine or TrainConfig(epochs=3, batch_size=64, learning_rate=5e-6, schedule="linear")
    stages = (Stage(objective, train, task=task), Stage(contrast, tuned, prepare=(mined,)))
    return Recipe(name, stages, Takes("text", "text"), similarity="dot", adapt=first_token)


def with_task(
    recipe: Recipe, name: str, task: Callable[[Data, nn.Module], Guessing], objective: Callable[[], Objective]
) -> Recipe:
    """The same with another task on the documents."""
    first = replace(recipe.stages[0], task=task, objective=objective)
    return replace(recipe, name=name, stages=(first, *recipe.stages[1:]))


def told() -> Recipe:
    """Fine-tuning alone."""
    recipe = pretrained("fine-tuning alone", condensed_spans, Condenser.objective)
    return replace(recipe, stages=recipe.stages[1:])


CEILING = Richer(Trained(told), ASKED_BY_BERT)
