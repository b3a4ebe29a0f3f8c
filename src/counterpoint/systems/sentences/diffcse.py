"""DiffCSE: beside the contrast, a sentence's vector must tell which of its words were replaced."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Items
from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.pretraining import filled_in
from counterpoint.procedures import DetectReplaced, TokenTask
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import on_captions
from counterpoint.systems.sentences.simcse import CEILING, mlp, simcse
from counterpoint.testbeds import Made, Trained
from counterpoint.testbeds.bed import Figure
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

TEMPERATURE, WEIGHT, SHARE = 0.05, 0.005, 0.3
"""Of contrast; of the other term; of the words that are masked."""


def loss() -> Objective:
    """InfoNCE, and whether tokens were replaced."""
    return TokenTask.beside(InfoNCE(TEMPERATURE), WEIGHT)


def projector(width: int) -> nn.Module:
    """One hidden layer twice as wide, BatchNorm in it and at the end."""
    return projection(width, hidden=(2 * width,), norm=nn.BatchNorm1d, last=lambda: nn.BatchNorm1d(width, affine=False))


def alone() -> Recipe:
    """The contrast and its projector."""
    return diffcse().varied("SimCSE, BatchNorm", objective=lambda: InfoNCE(TEMPERATURE), procedure=None, prepare=())


def other_head() -> Recipe:
    """Both terms behind SimCSE's layer."""
    return diffcse().varied("DiffCSE without BatchNorm", head=mlp)


def _edited(made: Made) -> float:
    words = [text.split() for text in made.test.anchors[made.test.anchor].texts]
    middle = [row[len(row) // 2] for row in words]
    edited = [
        " ".join([*row[: len(row) // 2], word, *row[len(row) // 2 + 1 :]])
        for row, word in zip(words, [*middle[1:], middle[0]], strict=True)
    ]
    as_it_is = Items("text", [" ".join(row) for row in words])
    first, second = (torch.from_numpy(made.encoder.encode_items(items)) for items in (as_it_is, Items("text", edited)))
    return float((1 - F.cosine_similarity(first, second)).mean())


edited = Figure("how far a sentence is from itself with another word in it", _edited)
"""1 less the cosine, over test sentences, in each of which the middle word is that of the next."""

FASTER = replace(
    LIKENESS,
    name="likeness, faster",
    about=LIKENESS.about.replace("at a rate of 2e-3", "at a rate of 5e-3"),
    settings=LIKENESS.settings | {"learning_rate": 5e-3},
)
"""So that the small second term has moved something after a few steps."""


@system(
    "DiffCSE",
    title="DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_diffcse.py::test_loss_is_that_of_a_naive_loop_over_texts_and_edited_tokens",
    claims=(
        on_captions("Telling replaced words improves on dropout alone", "SimCSE", Trained(simcse)),
        on_captions("It is not the projector that does it", "SimCSE, the same projector", Trained(alone)),
        on_captions("A projector with BatchNorm is better than SimCSE's", "SimCSE's layer", Trained(other_head)),
        Claim(
            "It improves on dropout alone by what people say of pairs",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            off=Trained(alone),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(edited, off=Trained(alone)),
    sample=FASTER,
    setup="As SimCSE here, and captions of pictures in place of STS in the first three claims: is the nearest of all "
    "captions one of the same picture? The settings are those of BERT-base, with two epochs in the paper and the same "
    "steps as SimCSE here. A masked language model of two layers of 64, trained for one epoch on the same texts, "
    "stands in for DistilBERT as generator, and writes much worse. It fills each text in twice before training, once "
    "for each view; a text that is seen again has the same edits. What it guesses is drawn, and stands where tokens "
    "were masked, as the paper says; the authors' code takes the likeliest token, at every place. The mean of the "
    "second term is over all tokens; theirs is over padding, too, which weighs it less. The second encoder is a copy "
    "of the first, as theirs; here both are causal, so that a token is judged by what stands before it and by the "
    "vector, which stands before all as there is no [CLS].",
)
def diffcse() -> Recipe:
    """Chuang et al. 2022 and their code, of BERT-base on STS: SimCSE with conditional replaced-token detection."""
    train = replace(simcse().stages[-1].train, epochs=2, learning_rate=7e-6)
    return simcse().varied(
        "DiffCSE",
        objective=loss,
        head=projector,
        procedure=DetectReplaced,
        prepare=(filled_in(SHARE),),
        train=train,
    )
