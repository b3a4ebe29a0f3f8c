"""DeCLUTR: a span of a document is near the mean of spans around it, and far from other spans of the document, too."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled, with_dropout
from counterpoint.encoders.transformer import TransformerEncoder
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import Composed, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse
from counterpoint.testbeds import Trained, Untrained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, alignment_of_like
from counterpoint.testbeds.transfer import DOCUMENTS, transfer
from counterpoint.training import TrainConfig
from counterpoint.views import spans

ANCHORS, POSITIVES, TEMPERATURE, TOGETHER = 2, 2, 0.05, 16
"""Of a document; of an anchor; of NT-Xent; documents whose anchors make a batch."""

near = spans(ANCHORS, POSITIVES, documents=TOGETHER)
"""Two anchors of a document, each with two spans near it."""


def mean_with_dropout(encoder: nn.Module) -> nn.Module:
    """The mean of the last states as it is, and dropout where the model knows none."""
    for part in encoder.modules():
        if isinstance(part, TransformerEncoder):
            part.pooling = "mean"
    return with_dropout(unscaled(encoder))


def loss() -> Objective:
    """NT-Xent: anchors and means are queries, all vectors of other anchors negatives."""
    return InfoNCE(TEMPERATURE, layout="views")


def averaged(_width: int) -> Procedure:
    """The positives of an anchor are one, their mean."""
    return Composed(POSITIVES)


def the_span_again(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each anchor is its own positive, as often."""
    del encoder, seed
    return replace(data, others=data.anchors, positives=data.anchor[:, None].expand(-1, POSITIVES))


def any_span(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: each anchor has the positives of another one."""
    del encoder
    assert data.positives is not None
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    positives = data.positives.clone()
    positives[order] = data.positives[order.roll(1)]
    return replace(data, positives=positives)


def declutr() -> Recipe:
    """Giorgi et al. 2021 and their code, without the guessing of masked tokens."""
    train = TrainConfig(epochs=1, batch_size=8, learning_rate=5e-5, weight_decay=0.1, schedule="linear")
    stage = Stage(loss, train, procedure=averaged, together="batch", prepare=(near,))
    return Recipe("DeCLUTR", (stage,), Takes("text"), adapt=mean_with_dropout)


def again() -> Recipe:
    """SimCSE's positives: the same span with other dropout."""
    return declutr().varied("DeCLUTR, the span again", prepare=(near, the_span_again))


def by_chance() -> Recipe:
    """Positives of other anchors, mostly of other documents: nothing is near."""
    return declutr().varied("DeCLUTR, any span", prepare=(near, any_span))


system(
    "DeCLUTR",
    title="DeCLUTR: Deep Contrastive Learning for Unsupervised Textual Representations",
    year=2020,
    family="sentences",
    mechanism="tests/systems/test_declutr.py::test_loss_is_that_of_a_naive_loop_over_anchors_and_means",
    claims=(
        Claim(
            "Spans of documents make a language model's vectors better features",
            transfer,
            "the language model as it is",
            DOCUMENTS,
            Untrained(declutr),
            off=Trained(by_chance),
            ceiling=distilcse.CEILING,
            floors=("raw",),
        ),
        Claim(
            "Spans that are near are better positives than the same span",
            transfer,
            "the span again, with other dropout",
            DOCUMENTS,
            Trained(again),
            off=Trained(by_chance),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "They tell better how alike sentences are",
            spearman,
            "the span again, with other dropout",
            DOCUMENTS,
            Trained(again),
            off=Trained(by_chance),
            ceiling=distilcse.CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(by_chance)),
    sample=LIKENESS,
    setup="The guessing of masked tokens of the anchors, which the paper adds to the contrast with equal weight, is "
    "left out, and anchors are seen unmasked: what is measured is the contrast alone. The first layer of SmolLM2, with "
    "dropout, stands in for RoBERTa; 5,183 abstracts of SciFact for 500,000 long documents of OpenWebText. Spans have "
    "at most a quarter of an abstract's words, some 50, and at least a sixteenth of that, in place of 512 and 32. They "
    "are drawn once, as in one epoch. Sixteen documents, 32 anchors, are a batch, where theirs is of four on each "
    "processor. The rate rises and falls linearly. Three tasks of SentEval, with 500 texts for a probe each.",
)(declutr)
