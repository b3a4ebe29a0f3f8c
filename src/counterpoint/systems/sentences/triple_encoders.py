"""Triple-Encoders: the mean of two earlier texts is near what comes next, the later they are the nearer."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled, with_dropout
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import PairRegression
from counterpoint.procedures import Composed
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Seen, Trained
from counterpoint.testbeds.sequences import (
    ALL_SPEECHES,
    PACKAGES_IN_ORDER,
    SIZE,
    SPEECHES,
    later_is_nearer,
    rank_by_each,
    rank_by_mixtures,
)
from counterpoint.training import TrainConfig
from counterpoint.views.sequences import windows


def as_it_is(encoder: nn.Module) -> nn.Module:
    """Vectors of any length, which are averaged before they are compared, and dropout where the model knows none."""
    return with_dropout(unscaled(encoder))


def lateness_of_others(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: how near two earlier texts are to be is what it is of others; drawn ones stay at 0."""
    del encoder
    score = data.columns["score"].clone()
    rows = (score > 0).nonzero()[:, 0]
    score[rows] = score[rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]]
    return replace(data, columns={**data.columns, "score": score})


def shuffled_scores() -> Recipe:
    """How near is not how late."""
    prepare = (windows(SIZE), lateness_of_others)
    return triple_encoders().varied("Triple-Encoders, scores of others", prepare=prepare)


def curved() -> Recipe:
    """Each earlier text by itself: Curved Contrastive Learning's scores, and no mixture."""
    return triple_encoders().varied("bi-encoder, curved", prepare=(windows(SIZE, mixed=False),), procedure=None)


def of_all() -> Recipe:
    """Where what comes next in the test is trained on, too."""
    return triple_encoders().varied("Triple-Encoders of all")


@system(
    "Triple-Encoders (C3L)",
    title="Triple-Encoders: Representations That Fire Together, Wire Together",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_triple_encoders.py::test_loss_is_the_squared_error_of_a_naive_loop_over_triples",
    claims=(
        Claim(
            "Mixtures of every two earlier texts find what comes next better than each of them by itself",
            rank_by_mixtures,
            "a bi-encoder with curved scores, by each earlier text",
            SPEECHES,
            Seen(Trained(curved), rank_by_each),
            off=Trained(shuffled_scores),
            ceiling=Richer(Trained(of_all), ALL_SPEECHES),
            better="lower",
        ),
    ),
    signal=Signal(later_is_nearer, off=Trained(shuffled_scores)),
    sample=PACKAGES_IN_ORDER,
    setup="Sentences of presidents' speeches, cut after 16 words, stand in for DailyDialog's utterances; there is one "
    "speaker and so no tag of speakers. The first layer of SmolLM2 with dropout of 0.1 stands in for a GTE-large that "
    "Curved Contrastive Learning has trained already. [B1], [B2], [BEFORE] and [AFTER] are spelled in the tokens that "
    "are there, not added to them. Their code trains on a batch of inference pairs after every batch of triples; that "
    "is left out here: they are put into a loss of two classes with three labels. As it stands the code also returns "
    "after the first dialogue and leaves out the last window of each; both are read as slips. Contexts of four, where "
    "the paper averages over several lengths; that it holds of other dialogues without training, short-term planning, "
    "and contexts cut to their last rows are not measured. The ceiling has the test's speeches to train on, too.",
)
def triple_encoders() -> Recipe:
    """Erker et al. 2024 and their code: squared error of the cosine with the mean of two, windows of five."""
    train = TrainConfig(epochs=10, batch_size=48, learning_rate=2e-5, weight_decay=0.01, schedule="linear", warmup=0.1)
    stage = Stage(PairRegression, train, prepare=(windows(SIZE),), procedure=lambda _width: Composed(2, "mean"))
    return Recipe("Triple-Encoders", (stage,), Takes("text"), adapt=as_it_is)
