"""CAROL: a denoising auto-encoder in whose space classes are far apart and each lies together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective, Pairs, Sum
from counterpoint.pretraining import with_tokens
from counterpoint.procedures import Procedure, Rebuild, TokenTask
from counterpoint.relation import Relation, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import balanced, tolerant
from counterpoint.testbeds.rare import EVENLY_SUBJECTIVE, RARELY_SUBJECTIVE, SECTIONS_BY_BERT, macro_f1
from counterpoint.training import TrainConfig
from counterpoint.views import TextView
from counterpoint.views.words import deletion

DELETED, LAYERS, WEIGHT = 0.6, 1, 1.0
"""Share of the words that the encoder does not see; layers of the decoder; of separation beside reconstruction."""


def evenly(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: rows of rare classes again and again, until each class has as many as the largest."""
    del encoder, seed
    return data[torch.from_numpy(balanced(data.columns["label"].numpy()))]


def as_it_is(value: Tensor) -> Tensor:
    """The distance itself is the loss."""
    return value


def separation() -> Objective:
    """The mean distance of two of one class less that of two of different classes; a distance is 1 less the cosine."""
    options: dict[str, Any] = {
        "shape": as_it_is,
        "over": "terms",
        "layout": "views",
        "relation": Relation(same("label")),
    }
    return Sum(Pairs(1.0, **options), Pairs(None, 1.0, **options))


def loss() -> Objective:
    """Reconstruction and separation."""
    return TokenTask.beside(WEIGHT * separation(), 1.0)


def reconstruction() -> Objective:
    """That alone."""
    return TokenTask.beside(0.0 * separation(), 1.0)


def decoder(width: int) -> Procedure:
    """It tells each token from those before it and the vector of what was left of the text."""
    return Rebuild(width, layers=LAYERS, hidden=0.0, ahead=True)


def without_separation() -> Recipe:
    """The auto-encoder alone, which knows no classes."""
    return carol().varied("CAROL, reconstruction alone", objective=reconstruction)


def without_reconstruction() -> Recipe:
    """Separation alone."""
    return carol().varied("CAROL, separation alone", objective=separation, procedure=None)


CEILING = Richer(Trained(without_reconstruction), EVENLY_SUBJECTIVE)
"""Both classes are frequent."""


@system(
    "CAROL",
    title="Class-Aware Contrastive Optimization for Imbalanced Text Classification",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_carol.py::test_loss_is_that_of_a_naive_loop_over_distances_and_tokens",
    claims=(
        Claim(
            "Separation of classes improves an auto-encoder where a class is rare",
            macro_f1,
            "reconstruction alone",
            RARELY_SUBJECTIVE,
            Trained(without_separation),
            ceiling=CEILING,
        ),
        Claim(
            "Reconstruction beside it improves separation",
            macro_f1,
            "separation alone",
            RARELY_SUBJECTIVE,
            Trained(without_reconstruction),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(tolerant, off=Trained(without_separation)),
    sample=SECTIONS_BY_BERT,
    setup="The paper's text was not to be had, only its abstract and two digests of it by others (themoonlight.io), "
    "whose telling this is: the mean distance within classes less that between them, of as many texts of each class, "
    "beside the reconstruction of a denoising auto-encoder; distances are Euclidean or of cosines. Ours are: weights "
    "of 1, cosines alone, whose distances cannot grow without end, means over all pairs of a batch, deletion of 60% of "
    "the words and a decoder that sees the vector alone, as TSDAE's, of one layer, whose embeddings have no gradient; "
    "rows of rare classes again and again, so that batches have about as many of each; two views of each text, with "
    "deletions of their own, both reconstructed. They speak of two classes; here there may be more. 200 steps. The "
    "start is a BERT of 2 layers of 64, mean-pooled, and SUBJ with a twentieth of one class stands in for their data. "
    "A logistic probe stands in for their classifier. What they compare with, BERT with focal loss, RoBERTa and GPT, "
    "is not measured. The ceiling is separation with as many sentences of both classes.",
)
def carol() -> Recipe:
    """Khvatskii et al. 2024, as others tell it."""
    train = TrainConfig(epochs=10, batch_size=32, learning_rate=3e-5)
    stage = Stage(loss, train, procedure=decoder, view=TextView(deletion(DELETED)), prepare=(evenly, with_tokens(48)))
    return Recipe("CAROL", (stage,), Takes("text", schemas=("labelled",)), adapt=unscaled)
