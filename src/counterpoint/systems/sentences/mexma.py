"""MEXMA: masked tokens of a sentence are guessed with the help of its translation's vector."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.geometry import Euclidean
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Alignment, InfoNCE, KoLeo, Objective, Only, Sum
from counterpoint.pretraining import CrossUnmasking, transformer
from counterpoint.pretraining.across import SENTENCES
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.bitext import ALL_TATOEBA, LIKE_TEXTS, TATOEBA, translated
from counterpoint.training import TrainConfig


def translations(data: Data) -> tuple[list[str], list[str]]:
    """Sentences and their first positives."""
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    there = data.positives[:, 0] >= 0
    first = [data.anchors.texts[i] for i in data.anchor[there].tolist()]
    return first, [data.others.texts[i] for i in data.positives[there, 0].tolist()]


def unmasking(data: Data, encoder: nn.Module) -> CrossUnmasking:
    """Theirs: 40% of both sides, six layers."""
    return CrossUnmasking(transformer(encoder), *translations(data))


def of_vectors(data: Data, encoder: nn.Module) -> CrossUnmasking:
    """Tokens teach by the translation's vector alone."""
    return CrossUnmasking(transformer(encoder), *translations(data), tokens=False)


def alike() -> Objective:
    """Of the sentences alone."""
    return Only("kind", SENTENCES, Sum(Alignment(geometry=Euclidean()), KoLeo(), weights=(1.0, 0.01)))


def sentence_level() -> Recipe:
    """Tokens are not asked for."""
    return mexma().varied("MEXMA, sentences alone", objective=alike)


def without_tokens() -> Recipe:
    """The gradient reaches the encoder by sentence vectors alone."""
    return mexma().varied("MEXMA, no gradient through tokens", task=of_vectors)


def contrast() -> Recipe:
    """Translations against all others of the batch, both ways."""
    return mexma().varied("InfoNCE", task=None, objective=lambda: InfoNCE(0.05, layout="symmetric"))


CEILING = Richer(Trained(contrast), ALL_TATOEBA)
"""Contrast that has been told the translations of the test."""


@system(
    "MEXMA",
    title="MEXMA: Token-level objectives improve sentence representations",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_mexma.py::test_loss_is_that_of_a_naive_loop_over_masked_tokens_and_vectors",
    claims=(
        Claim(
            "Guessing tokens across languages makes better sentence vectors than aligning sentences alone",
            translated(),
            "alignment and KoLeo",
            TATOEBA,
            Trained(sentence_level),
            ceiling=CEILING,
        ),
        Claim(
            "It is better that tokens update the encoder, too, than sentence vectors alone",
            translated(),
            "no gradient through tokens",
            TATOEBA,
            Trained(without_tokens),
            ceiling=CEILING,
        ),
        Claim(
            "It finds translations better than contrast of sentences",
            translated(),
            "InfoNCE, both ways",
            TATOEBA,
            Trained(contrast),
            off=Trained(sentence_level),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(sentence_level)),
    sample=LIKE_TEXTS,
    setup="A BERT of 2 layers of 64, which has guessed masked tokens of Tatoeba's sentences for 300 steps, stands in "
    "for XLM-RoBERTa-large, and about 10,000 pairs of 12 languages with English for those of 81. Steps of 64 pairs, "
    "200 in all, at a rate of 2e-3, for batches of 150, two to a step, at 1e-4. The mean of all states stands in for "
    "[CLS], which in so small a BERT is nearly the same for all sentences, and it is what stands before the masked "
    "ones. The small transformer has their six "
    "layers and eight heads; the encoder's own attention drops as it did in pre-training, where theirs does not. "
    "Biases of tokens begin as the logarithm of how frequent each is, theirs as PyTorch makes them. KoLeo is over the "
    "batch of all processes, theirs over that of each. One process a token is masked at least. Systems that the paper "
    "compares with (SONAR, LaBSE) are large models on other data: InfoNCE on the same pairs stands in for them. xsim, "
    "SentEval and MTEB are not measured. The ceiling is InfoNCE that was told the pairs of the test.",
)
def mexma() -> Recipe:
    """Janeiro et al. 2024 and their code: cross-unmasking, MSE of the vectors, 0.01 KoLeo."""
    train = TrainConfig(
        epochs=3, batch_size=150, accumulate=2, learning_rate=1e-4, schedule="cosine", warmup=0.3, clip=1.2
    )
    stage = Stage(CrossUnmasking.objective, train, task=unmasking)
    return Recipe("MEXMA", (stage,), Takes("text", "text"))
