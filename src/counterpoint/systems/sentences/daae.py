"""DAAE: a text is written again from a code of some of its words; an adversary keeps codes as if drawn from noise."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import linear_layer, unscaled
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.pretraining import AdversarialAutoencoder, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.mae_lm import texts_of
from counterpoint.testbeds import Trained
from counterpoint.testbeds.neighbours import CAPTIONS_ALONE, FEW_REWRITTEN, neighbours
from counterpoint.training import TrainConfig


def rewritten(data: Data, encoder: nn.Module) -> AdversarialAutoencoder:
    """Of 70% of the tokens."""
    return AdversarialAutoencoder(transformer(encoder), texts_of(data))


def copied(data: Data, encoder: nn.Module) -> AdversarialAutoencoder:
    """Of all of them."""
    return AdversarialAutoencoder(transformer(encoder), texts_of(data), share=0.0)


def coded(encoder: nn.Module) -> nn.Module:
    """A text's vector is the mean of its code: linear in what is pooled, of any length."""
    return unscaled(linear_layer(encoder))


def aae() -> Recipe:
    """An adversarial auto-encoder: nothing is left out."""
    return daae().varied("AAE", task=copied)


@system(
    "DAAE",
    title="Educating Text Autoencoders: Latent Representation Guidance via Denoising",
    year=2019,
    family="sentences",
    mechanism="tests/systems/test_daae.py::test_loss_is_that_of_a_naive_loop_over_texts_codes_and_critic",
    claims=(
        Claim(
            "Texts that differ in few words have near codes where words were left out, more than where none were",
            neighbours,
            "an adversarial auto-encoder that reads every word",
            CAPTIONS_ALONE,
            Trained(aae),
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(neighbours, off=Trained(aae)),
    sample=FEW_REWRITTEN,
    setup="A BERT in miniature (2 layers of 64, random weights) stands in for an LSTM in both directions of 1,024, and "
    "codes have 64 dimensions for 128; the decoder is an LSTM of 256 for 1,024. Captions stand in for reviews and "
    "answers, 3,000 steps of 64 for up to 50 epochs of 256. Tokens are left out, theirs are words. Neighbours are "
    "counted among as many near codes as near texts, where the paper draws the recall for any number of codes. "
    "Reconstruction, perplexity of what is generated, and arithmetic of tense and sentiment are left out: nothing here "
    "generates from codes.",
)
def daae() -> Recipe:
    """Shen et al. 2019 and their code: three in ten words are left out, the adversary weighs 10; Adam (0.5, 0.999)."""
    train = TrainConfig(
        epochs=50,
        batch_size=256,
        learning_rate=5e-4,
        betas=(0.5, 0.999),
        weight_decay=0.0,
        schedule="constant",
        clip=0.0,
    )
    return Recipe("DAAE", (Stage(AdversarialAutoencoder.objective, train, task=rewritten),), Takes("text"), adapt=coded)
