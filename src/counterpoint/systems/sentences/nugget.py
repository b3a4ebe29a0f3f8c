"""Nugget: a text is some of its tokens, those from which a decoder can best write it again."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled
from counterpoint.encoders.wrapping import in_nuggets
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.pretraining import Denoising, NuggetAutoencoder, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.denosent import CEILING
from counterpoint.systems.sentences.mae_lm import texts_of
from counterpoint.testbeds import Trained
from counterpoint.testbeds.denoised import CAPTIONED_BY_BERT
from counterpoint.testbeds.nuggets import another_by_several, score_spread
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.training import TrainConfig

RATIO = 0.1
"""Nuggets for each token."""


def nuggets(encoder: nn.Module) -> nn.Module:
    """Tokens by their scores, of any length."""
    return unscaled(in_nuggets(encoder, RATIO))


def even_tokens(encoder: nn.Module) -> nn.Module:
    """Every tenth token."""
    return unscaled(in_nuggets(encoder, RATIO, evenly=True))


def rewritten(data: Data, encoder: nn.Module) -> NuggetAutoencoder:
    """Each text from its nuggets."""
    return NuggetAutoencoder(encoder, texts_of(data))


def unscored(data: Data, encoder: nn.Module) -> NuggetAutoencoder:
    """The decoder does not see scores."""
    return NuggetAutoencoder(encoder, texts_of(data), scored=False)


def from_one_vector(data: Data, encoder: nn.Module) -> Denoising:
    """Each text, of which nothing is deleted, from the encoder's vector."""
    return Denoising(transformer(encoder), texts_of(data), share=0.0)


def by_chance() -> Recipe:
    """Scores have no gradient, and stay what they began as."""
    return nugget().varied("Nugget, scores by chance", task=unscored)


def evenly() -> Recipe:
    """No scores."""
    return nugget().varied("Nugget, every tenth token", adapt=even_tokens)


def one_vector() -> Recipe:
    """All of the text is in one."""
    return nugget().varied("auto-encoding through one vector", adapt=None, task=from_one_vector)


@system(
    "Nugget",
    title="Nugget: Neural Agglomerative Embeddings of Text",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_nugget.py::test_loss_is_that_of_a_naive_loop_over_texts_and_their_nuggets",
    claims=(
        Claim(
            "Some tokens of a text tell better than one vector how alike texts are",
            another_by_several,
            "one vector of the same training",
            CAPTIONED_BY_BERT,
            Trained(one_vector),
            off=Trained(by_chance),
            ceiling=CEILING,
        ),
        Claim(
            "Chosen tokens are better than tokens at even distances",
            another_by_several,
            "every tenth token",
            CAPTIONED_BY_BERT,
            Trained(evenly),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(score_spread, off=Trained(by_chance)),
    sample=LIKENESS,
    setup="The authors' package was read, and of the paper its abstract and a review. Scores are added to the "
    "decoder's attention as the package's description says of the paper; the package itself takes them off again "
    "without their gradient. Its linear layer behind nuggets is left out, and so is what the paper tells the encoder "
    "of the choice (vectors of two types, by the review). A decoder that begins anew, with as many layers as the "
    "encoder and its token vectors, stands in for BART's; biases of tokens begin as the logarithm of how frequent each "
    "is. Scores are read from all layers of the copy, two of them, not from three of six or twelve. Captions stand in "
    "for the paper's texts: of 14 tokens two are nuggets. How the paper compares texts was not at hand: here it is the "
    "mean of each nugget's best cosine, both ways, and the nearest of all captions should be one of the same picture. "
    "The one vector is the mean of all states, from which a decoder as deep writes the whole text. Translation as "
    "training, other ratios and longer contexts of language models are not measured. The ceiling is SimCSE on captions "
    "of one picture.",
)
def nugget() -> Recipe:
    """Qin and Van Durme 2023 and their package: a tenth of the tokens, scored after three layers, auto-encoding."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=5e-5, weight_decay=0.0)
    stage = Stage(NuggetAutoencoder.objective, train, task=rewritten)
    return Recipe("Nugget", (stage,), Takes("text"), adapt=nuggets)
