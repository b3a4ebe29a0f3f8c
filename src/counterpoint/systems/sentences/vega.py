"""Vega v1: an encoder that tells replaced tokens, and in a second phase of pre-training contrasts texts, too."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.pretraining import ReplacedAndContrasted, ReplacedTokens, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.distilcse import CEILING
from counterpoint.systems.sentences.mae_lm import texts_of
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.scratch import LIKE_SCRATCH, SCRATCH
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.transfer import transfer
from counterpoint.training import TrainConfig


def detecting(data: Data, encoder: nn.Module) -> ReplacedTokens:
    """Replaced tokens alone."""
    return ReplacedTokens(transformer(encoder), texts_of(data))


def both(data: Data, encoder: nn.Module) -> ReplacedAndContrasted:
    """Replaced tokens and whole texts."""
    return ReplacedAndContrasted(transformer(encoder), texts_of(data))


def detection() -> Recipe:
    """Replaced tokens in both phases."""
    first, _ = vega().stages
    return vega().varied("replaced tokens alone", stages=(first, first))


@system(
    "Vega v1",
    title="Bag of Tricks for Effective Language Model Pretraining and Downstream Adaptation: A Case Study on GLUE",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_vega.py::test_loss_of_the_second_phase_is_that_of_a_naive_loop_over_tokens_and_texts",
    claims=(
        Claim(
            "Contrast in a second phase makes an encoder that tells replaced tokens a better one",
            transfer,
            "replaced tokens in both phases",
            SCRATCH,
            Trained(detection),
            ceiling=CEILING,
        ),
        Claim(
            "It tells better how alike sentences are",
            spearman,
            "replaced tokens in both phases",
            SCRATCH,
            Trained(detection),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(detection)),
    sample=LIKE_SCRATCH,
    setup="Of the report the abstract was read, and there is no code. It tells two phases of pre-training, replaced "
    "tokens and then these with a contrast of sentence embeddings. That the contrast is SimCSE's (dropout, temperature "
    "0.05), that it has weight 1 beside ELECTRA's 1 and 50, that it sees texts as they are and that both phases are "
    "equally long is our reading; settings are ELECTRA's. The generator begins anew in the second phase. A BERT of two "
    "layers of 64 from random weights stands in for 1.3 billion weights with disentangled attention, a generator as "
    "wide as it is for a narrower one, 250 steps on 28,000 short sentences for each phase, and probes of frozen mean "
    "vectors on MR, SUBJ and TREC for fine-tuning on GLUE. Their tricks of fine-tuning (transductive, self-calibrated, "
    "adversarial) are no part of this. What the claims say follows from the abstract: of several strategies the best "
    "combination was taken.",
)
def vega() -> Recipe:
    """Zhong et al. 2023, both phases of pre-training."""
    train = TrainConfig(epochs=1, batch_size=128, learning_rate=5e-4, weight_decay=0.01, schedule="linear", clip=1.0)
    first = Stage(ReplacedTokens.objective, train, task=detecting)
    second = Stage(ReplacedAndContrasted.objective, train, task=both)
    return Recipe("Vega v1", (first, second), Takes("text"))
