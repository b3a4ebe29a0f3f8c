"""Small Czech embeddings: a small model learns an English teacher's vectors, of Czech too; dropout contrast follows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.adapting import unscaled
from counterpoint.geometry import Euclidean
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.teachers import teacher_vectors
from counterpoint.objectives import Alignment, Objective, Sum
from counterpoint.pretraining import RetroMAE, transformer
from counterpoint.procedures import AgainstColumn, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import WIDTH, minilm, sentences
from counterpoint.systems.sentences.mexma import contrast, translations
from counterpoint.systems.sentences.simcse import simcse
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.bitext import ALL_CZECH, CZECH, LIKE_TEXTS, translated
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig


def taught_by_english(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: both sentences of a pair alone, each with the teacher's vector of the English one."""
    first, second = translations(data)
    english = Data.alone(Items("text", second))
    vectors = teacher_vectors(minilm)(english, encoder, seed).columns["vector"]
    return Data.alone(Items("text", [*first, *second]), source=data.source, vector=torch.cat([vectors, vectors]))


def to_teacher(width: int) -> nn.Module:
    """One linear layer, dropped at test."""
    return projection(width, out=WIDTH)


def against_teacher(_width: int) -> Procedure:
    """Each sentence and the teacher's vector."""
    return AgainstColumn("vector")


def regression() -> Objective:
    """The squared error, the mean over dimensions, of the Czech and of the English sentence."""
    return Sum(Alignment(geometry=Euclidean()), weights=(2 / WIDTH,))


def distilled() -> Recipe:
    """The first stage alone."""
    train = TrainConfig(epochs=1, batch_size=128, learning_rate=1e-4)
    stage = Stage(regression, train, head=to_teacher, procedure=against_teacher, prepare=(taught_by_english,), views=1)
    return Recipe("Dist", (stage,), Takes("text", "text"), adapt=unscaled)


def others_vectors() -> Recipe:
    """The teacher's vectors of other sentences."""
    first = distilled().stages[0]
    wrong = replace(first, prepare=(taught_by_english, shuffled("vector")))
    return dist_simcse().varied("Dist-SimCSE, vectors of others", stages=(wrong, *dist_simcse().stages[1:]))


def _dropout_contrast() -> Stage:
    """SimCSE's, on all sentences."""
    (stage,) = simcse().stages
    return replace(stage, head=None, prepare=(sentences,))


def unsupervised() -> Recipe:
    """SimCSE alone: which sentences are translations, nobody says."""
    return distilled().varied("SimCSE", stages=(_dropout_contrast(),))


def bottleneck(data: Data, encoder: nn.Module) -> RetroMAE:
    """Of the Czech sentences."""
    return RetroMAE(transformer(encoder), translations(data)[0])


def retromae() -> Recipe:
    """RetroMAE alone."""
    train = TrainConfig(epochs=1, batch_size=128, learning_rate=1e-4)
    return distilled().varied("RetroMAE", stages=(Stage(RetroMAE.objective, train, task=bottleneck),))


def retromae_simcse() -> Recipe:
    """RetroMAE, then SimCSE."""
    return retromae().varied("SimCSE-RetroMAE", stages=(*retromae().stages, _dropout_contrast()))


CEILING = Richer(Trained(contrast), ALL_CZECH)
"""Contrast that has been told the translations of the test."""


@system(
    "Small Czech Embeddings",
    title="Some Like It Small: Czech Semantic Embedding Models for Industry Applications",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_czech.py::test_loss_is_that_of_a_naive_loop_over_the_english_teacher_s_vectors",
    variants={"SimCSE-RetroMAE": retromae_simcse},
    claims=(
        Claim(
            "Dropout contrast improves a distilled model a little",
            translated(),
            "distillation alone, as many steps",
            CZECH,
            Trained(distilled),
            off=Trained(others_vectors),
            ceiling=CEILING,
        ),
        Claim(
            "A model that was distilled from an English teacher is better than one of RetroMAE",
            translated(),
            "RetroMAE, then SimCSE",
            CZECH,
            Trained(retromae_simcse),
            off=Trained(others_vectors),
            ceiling=CEILING,
        ),
        Claim(
            "Dropout contrast improves RetroMAE, too",
            translated(),
            "RetroMAE alone, as many steps",
            CZECH,
            Trained(retromae),
            system=Trained(retromae_simcse),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(others_vectors)),
    sample=LIKE_TEXTS,
    setup="Of the paper the authors' page of models and results was read, and no training code. Models are RetroMAE or "
    "distilled, each with SimCSE after it or not; the three are no chain. all-MiniLM-L6-v2 stands in for "
    "all-mpnet-base-v2 as the teacher, a BERT of 2 layers of 64, which has guessed masked tokens of the captions, for "
    "one of 15 to 20 million weights, and 4,000 captions of Multi30k for ParaCrawl and CzEng. How 256 dimensions meet "
    "the teacher's 768 is not said: here one linear layer, dropped at test. The mean of all states stands in for "
    "[CLS], which in so small a BERT is nearly the same for all sentences. Batches are of sentences, of which half are "
    "Czech, where theirs are of pairs. SimCSE has half of the steps, temperature 0.05 and no MLP: all not said. Their "
    "Czech STS, Costra and DaReCzech are not at hand: finding the English caption by the Czech one stands in for them, "
    "both by the student. RetroMAE has seen no pairs, so that only where it is clearly above the floors can the claims "
    "about it be told: the main claim here is that of the contrast after distillation, whose baseline knows as much. "
    "Their ELECTRA, probing, fine-tuning and speed are not measured. The ceiling is InfoNCE that was told the pairs of "
    "the test.",
)
def dist_simcse() -> Recipe:
    """Bednář et al. 2023: squared errors to an English teacher of both languages, then SimCSE."""
    return distilled().varied("Small Czech Embeddings", stages=(*distilled().stages, _dropout_contrast()))
