"""Serafim: contrastive tension, then pairs with a guide that leaves out negatives, then the order of judged pairs."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import Towers
from counterpoint.encoders.adapting import unscaled
from counterpoint.geometry import Angle, Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import CoSENT, InfoNCE, Mined, Objective, PairRegression, Pairs, below_the_guide
from counterpoint.procedures import Guided, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import sentences
from counterpoint.systems.sentences.simcse import CEILING, without_contradictions
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.judged import JUDGED_TITLES, PORTUGUESE, SEEN_PORTUGUESE
from counterpoint.testbeds.texts import INFERENCES, alignment_of_like
from counterpoint.training import TrainConfig

TEMPERATURE, ALIKE, OTHERS = 0.01, 0.8, 7
"""Of the guided pairs; which share of the highest score makes a pair one; other sentences for each with itself."""
_TRAIN = TrainConfig(epochs=20, batch_size=64, learning_rate=1e-5, warmup=0.1, weight_decay=0.01, schedule="linear")


def with_itself(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: every sentence of the pairs once, paired with itself."""
    alone = sentences(data, encoder, seed)
    return replace(alone, others=alone.anchors, positives=alone.anchor[:, None])


def alike(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: judged pairs that are much alike, without their scores."""
    del encoder, seed
    score = data.columns["score"]
    rest = {name: column for name, column in data.columns.items() if name != "score"}
    # a score that is not known is not alike
    return replace(data, columns=rest)[score >= ALIKE * score[~score.isnan()].max()]


def to_one(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: scores from 0 to 1, as cosines are to be."""
    del encoder, seed
    score = data.columns["score"]
    return replace(data, columns={**data.columns, "score": score / score[~score.isnan()].max()})


def with_a_copy(encoder: nn.Module) -> nn.Module:
    """First sentences are encoded by a copy, which is left behind."""
    return Towers(copy.deepcopy(encoder), encoder)


def tension() -> Objective:
    """Binary cross-entropy of inner products: whether both sentences are the same."""
    return Pairs(0.0, 0.0, shape=F.softplus, over="terms", geometry=Dot())


def filtered() -> Objective:
    """InfoNCE without what the guide finds closer than the pair."""
    return Mined(unfiltered(), below_the_guide())


def unfiltered() -> InfoNCE:
    """InfoNCE of the vectors side by side."""
    return InfoNCE(TEMPERATURE, geometry=Dot())


def guided(_width: int) -> Procedure:
    """By the encoder as it was before the stage."""
    return Guided()


def judged() -> Recipe:
    """The last stage alone: CoSENT."""
    return Recipe("CoSENT", (Stage(CoSENT, _TRAIN),), Takes("text", "text", ("scored",)), adapt=unscaled)


def angle() -> Recipe:
    """AnglE's loss in its place."""
    return judged().varied("AnglE", objective=lambda: CoSENT(geometry=Angle()))


def regression() -> Recipe:
    """The cosine is to be the score."""
    return judged().varied("cosine regression", objective=PairRegression, prepare=(to_one,))


def gist() -> Recipe:
    """The stage before alone, on pairs."""
    stage = Stage(filtered, replace(_TRAIN, epochs=10), procedure=guided, prepare=(without_contradictions,))
    return Recipe("GISTEmbed", (stage,), Takes("text", "text"))


def all_negatives() -> Recipe:
    """The same comparisons, none left out."""
    return gist().varied("GISTEmbed, nothing left out", objective=unfiltered)


def ranking() -> Recipe:
    """Multiple negatives ranking."""
    return gist().varied("multiple negatives ranking", objective=InfoNCE, procedure=None)


def in_thirds() -> Recipe:
    """As many steps for each stage."""
    return serafim().changed(epochs=1)


def without_tension() -> Recipe:
    """The two supervised stages, as many steps each."""
    return replace(in_thirds(), name="Serafim without contrastive tension", stages=in_thirds().stages[1:])


_SEEN = Richer(Trained(judged), SEEN_PORTUGUESE)


@system(
    "Serafim PT*",
    title="Open Sentence Embeddings for Portuguese with the Serafim PT* encoders family",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_serafim.py::test_each_stage_s_loss_is_that_of_a_naive_loop",
    variants={"GISTEmbed": gist},
    claims=(
        Claim(
            "Three stages are better than the last one alone",
            spearman,
            "CoSENT alone, as many steps",
            PORTUGUESE,
            Trained(judged),
            system=Trained(in_thirds),
            off=Trained(without_tension),
            ceiling=_SEEN,
        ),
        Claim(
            "CoSENT orders pairs better than regression of their cosines",
            spearman,
            "cosine regression",
            PORTUGUESE,
            Trained(regression),
            system=Trained(judged),
            ceiling=_SEEN,
        ),
        Claim(
            "And so does AnglE",
            spearman,
            "cosine regression",
            PORTUGUESE,
            Trained(regression),
            system=Trained(angle),
            ceiling=_SEEN,
        ),
        Claim(
            "Negatives that a guide finds too near are better left out",
            spearman,
            "multiple negatives ranking",
            INFERENCES,
            Trained(ranking),
            system=Trained(gist),
            off=Trained(all_negatives),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(judged)),
    sample=JUDGED_TITLES,
    setup="The first layer of SmolLM2, mean-pooled, stands in for BERTimbau and Albertina; its tokens are made for "
    "English. Of the paper its abstract and the settings kept with the models were seen, not the training code: losses "
    "are those of the library that they name. All stages train on the same judged pairs: contrastive tension on their "
    f"sentences, and GISTEmbed on those of at least {ALIKE:.0%} of the highest score, in place of Europarl, books and "
    "talks for the one and of Portuguese inference pairs for the other. The paper's epochs are on corpora of very "
    "different size, and so the stages of the first claim have as many steps each. Contrastive tension draws other "
    f"sentences, {OTHERS} for each with itself, and averages over pairs where the library sums. The guide is the "
    "encoder as it was before the stage; theirs is not known, and another model. The last weights are kept, not the "
    "best of ten validations an epoch, and of one seed, not the best of 30. GISTEmbed is compared with multiple "
    "negatives ranking on SNLI in English. The ceiling has seen the judgements of the test. Retrieval, other test "
    "sets and TSDAE are not measured.",
)
def serafim() -> Recipe:
    """Gomes et al. 2024, and the settings kept with their model of 100 million weights."""
    first = Stage(tension, replace(_TRAIN, epochs=1), prepare=(with_itself,), around=with_a_copy, sampled=OTHERS)
    second = replace(gist().stages[0], prepare=(alike,))
    return replace(judged(), name="Serafim", stages=(first, second, *judged().stages))
