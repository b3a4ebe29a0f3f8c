"""DenoSent: beside the contrast a noisy sentence's vector must tell a decoder the sentence as it was."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import with_dropout
from counterpoint.encoders.wrapping import in_templates
from counterpoint.generating import Generator, back_translated
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.pretraining import with_tokens
from counterpoint.procedures import Procedure, Rebuild, TokenTask
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import ANOTHER, other_captions
from counterpoint.systems.sentences.simcse import simcse
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.denoised import CAPTIONED_BY_BERT, PAIRED_BY_BERT
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.training import TrainConfig
from counterpoint.views import chained, paired
from counterpoint.views.words import deletion, swap

TEMPERATURE, CONTRAST, REBUILT = 0.05, 5.0, 7.0
"""Of the contrast; the weights of both terms."""
HIDDEN, LAYERS = 0.825, 2
"""Of the numbers that the decoder reads; its layers."""
TEMPLATE = '"{}" means [MASK].'
NOISE = 0.1
"""Shares of the words that are gone, and that have changed places."""


def prompted(encoder: nn.Module) -> nn.Module:
    """A sentence is what [MASK] says in the template."""
    return in_templates(with_dropout(encoder), (TEMPLATE,))


def noisy_first(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: of a text and its noisy positive the noisy one is the anchor."""
    del encoder, seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    noisy, text = (data.others, data.positives[:, 0]), (data.anchors, data.anchor[:, None])
    return replace(data, anchors=noisy[0], anchor=noisy[1], others=text[0], positives=text[1])


def contrast() -> Objective:
    """InfoNCE: noisy sentences find the original."""
    return CONTRAST * InfoNCE(TEMPERATURE)


def loss() -> Objective:
    """Both terms."""
    return TokenTask.beside(contrast(), REBUILT)


def restoring() -> Objective:
    """The denoising term alone."""
    return TokenTask.beside(0.0 * InfoNCE(TEMPERATURE), REBUILT)


def decoder(width: int) -> Procedure:
    """It sees the vector and what dropout leaves of the original's embeddings."""
    return Rebuild(width, layers=LAYERS, hidden=HIDDEN)


def well_read(width: int) -> Procedure:
    """It sees the original's embeddings whole."""
    return Rebuild(width, layers=LAYERS, hidden=0.0)


def without_denoising() -> Recipe:
    """The contrast with noisy sentences alone."""
    return denosent().varied("DenoSent, contrast alone", objective=contrast, procedure=None)


def without_contrast() -> Recipe:
    """Denoising alone."""
    return denosent().varied("DenoSent, denoising alone", objective=restoring)


def without_continuous_noise() -> Recipe:
    """Denoising alone, of embeddings that nothing is taken from."""
    return without_contrast().varied("DenoSent, no continuous noise", procedure=well_read)


def with_generator(generator: Generator) -> Recipe:
    """All of it, noise made by a translator there and back, as published."""
    _, *rest = denosent().stages[0].prepare
    return denosent().varied("DenoSent", prepare=(back_translated(generator), *rest))


CEILING = Richer(Trained(other_captions), PAIRED_BY_BERT)


@system(
    "DenoSent",
    title="DenoSent: A Denoising Objective for Self-Supervised Sentence Representation Learning",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_denosent.py::test_loss_is_that_of_a_naive_loop_over_pairs_and_tokens",
    claims=(
        Claim(
            "Denoising beside the contrast improves on contrast alone",
            ANOTHER,
            "the same contrast alone",
            CAPTIONED_BY_BERT,
            Trained(without_denoising),
            ceiling=CEILING,
        ),
        Claim(
            "Both together improve on SimCSE",
            ANOTHER,
            "SimCSE, of [CLS]",
            CAPTIONED_BY_BERT,
            Trained(simcse),
            off=Trained(without_denoising),
            ceiling=CEILING,
        ),
        Claim(
            "Denoising alone is as much as contrast",
            ANOTHER,
            "the same contrast alone; as good as within 0.01",
            CAPTIONED_BY_BERT,
            Trained(without_denoising),
            off=Untrained(without_contrast),
            ceiling=CEILING,
            system=Trained(without_contrast),
            margin=0.01,
        ),
        Claim(
            "The vector learns from what the decoder cannot see",
            ANOTHER,
            "nothing dropped from what it sees",
            CAPTIONED_BY_BERT,
            Trained(without_continuous_noise),
            ceiling=CEILING,
            system=Trained(without_contrast),
        ),
    ),
    signal=Signal(alignment, off=Trained(without_denoising)),
    sample=LIKENESS,
    setup="Captions of pictures stand in for Wikipedia and STS: is the nearest of all captions one of the same "
    "picture? The start is a BERT of 2 layers of 64, which has guessed masked tokens of these captions for 300 steps, "
    "for BERT-base; its decoder has 2 layers of 256 for their 16 of 2,048. A tenth of the words deleted and a tenth "
    "moved, once before training, stand in for a translation there and back, which needs a translator "
    "(`with_generator`). 200 steps at a rate of 2e-3 for 5,000 at 4e-5, and the last weights for those of the best "
    "score on development data. What stands between the decoder and the token vectors is new, and biases begin at 0, "
    "where theirs are BERT's. Text and template have 48 tokens together, theirs 32 and the template's; both are the "
    "target, as there. Which of their two texts is the translated one is inferred from the abstract. Of the paper the "
    "abstract was read and the code: the last claim is our reading of their continuous noise. SimCSE has [CLS] for "
    "[MASK] in a template, a head of its own and a rate that falls, so that it differs by more than the denoising. The "
    "ceiling is told which captions are of one picture, of those to train on.",
)
def denosent() -> Recipe:
    """Wang et al. 2024 and their code: 5 contrast + 7 denoising, [MASK] behind a projector that is dropped at test."""
    train = TrainConfig(steps=5000, batch_size=64, learning_rate=4e-5, schedule="constant", warmup=0.1)
    noise = paired(chained(deletion(NOISE), swap(NOISE)))
    prepare = (noise, noisy_first, with_tokens(48))
    stage = Stage(loss, train, head=projection, procedure=decoder, prepare=prepare)
    return Recipe("DenoSent", (stage,), Takes("text"), adapt=prompted)
