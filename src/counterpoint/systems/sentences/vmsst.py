"""VMSST: translations are written from what both say and what is of their language; the former is the embedding."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Objective
from counterpoint.pretraining import SourceSeparation, transformer
from counterpoint.pretraining.separation import TRANSLATED
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.mexma import CEILING, contrast, translations
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.bitext import LIKE_TEXTS, TATOEBA, translated
from counterpoint.training import TrainConfig


def languages(data: Data) -> Int[Tensor, "n 2"] | None:
    """Of each sentence and its translation: the column `language`, and 0, which is the language of all translations."""
    assert data.positives is not None  # pairs
    if "language" not in data.columns:
        return None
    own = data.columns["language"][data.positives[:, 0] >= 0] + 1
    return torch.stack([own, torch.zeros_like(own)], 1)


def separated(data: Data, encoder: nn.Module) -> SourceSeparation:
    """What both say, and what is of either language."""
    return SourceSeparation(transformer(encoder), *translations(data), languages=languages(data))


def shared_alone(data: Data, encoder: nn.Module) -> SourceSeparation:
    """What both say and nothing else."""
    return SourceSeparation(transformer(encoder), *translations(data), languages=languages(data), own=False)


def translation() -> Objective:
    """Each from the other's vector."""
    return SourceSeparation.written(TRANSLATED)


def bitranslation() -> Recipe:
    """No variables: each is translated into the other, through one vector."""
    return vmsst().varied("BiTranslation", task=shared_alone, objective=translation)


def one_variable() -> Recipe:
    """No variables of a language."""
    return vmsst().varied("VMSST, one variable", task=shared_alone)


@system(
    "VMSST",
    title="Beyond Contrastive Learning: A Variational Generative Model for Multilingual Retrieval",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_vmsst.py::test_loss_is_that_of_a_naive_loop_over_translations_and_variables",
    claims=(
        Claim(
            "Separating what both say from what is of a language finds translations better than translating alone",
            translated(),
            "BiTranslation: both ways, no variables",
            TATOEBA,
            Trained(bitranslation),
            ceiling=CEILING,
        ),
        Claim(
            "It finds translations better than contrast",
            translated(),
            "InfoNCE, both ways",
            TATOEBA,
            Trained(contrast),
            off=Trained(bitranslation),
            ceiling=CEILING,
        ),
        Claim(
            "It is better that what is of a language has variables of its own",
            translated(),
            "the same with the shared variable alone",
            TATOEBA,
            Trained(one_variable),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(bitranslation)),
    sample=LIKE_TEXTS,
    setup="Abstract and introduction were at hand, and the authors' code, which embeds and does not train. What is "
    "trained is that of the code of its bilingual forerunner (Wieting et al. 2019, BGT), with one decoder and one "
    "encoder of the language's variable for all languages, which the paper's approximation makes possible: that it "
    "is this, and that the bound's weight is 0.1 (there 1), are ours. As there, translations both ways stand beside "
    "the bound, the shared variable is of one of both sentences, and the decoder is one layer that knows a sentence "
    "by a vector at each state and at the vocabulary. Samples are decoded where that code decodes means. "
    "Translation is writing with the language's variable at 0, where BGT has decoders for it. The divergence has "
    "its weight from the first step, where theirs grows over 65,536; labels are not smoothed, as theirs are in "
    "translations; what meets the vocabulary goes through the transform of a masked LM, and token vectors are "
    "shared. The vector is the mean of all states, without a linear map of it. A BERT of 2 layers of 64, which has "
    "guessed masked tokens of Tatoeba's sentences for 300 steps, stands in for mT5-large, and about 10,000 pairs of "
    "12 languages with English for those of 92. 200 steps of 64 pairs at a rate of 2e-3, as many for contrast, "
    "where theirs are of 2,048 and more. Semantic similarity and the retrieval of questions are not measured. The "
    "ceiling is InfoNCE that was told the pairs of the test.",
)
def vmsst() -> Recipe:
    """Wieting et al. 2022: translation both ways, and 0.1 of the bound of their source separation."""
    train = TrainConfig(epochs=20, batch_size=2048, learning_rate=5e-4, weight_decay=1e-4, warmup=0.1)
    stage = Stage(SourceSeparation.objective, train, task=separated)
    return Recipe("VMSST", (stage,), Takes("text", "text"))
