"""Dwell in the Beginning: which step of training makes an encoder see the beginning of a document best?"""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.data.passages import in_sentences
from counterpoint.encoders.adapting import mean_of_tokens
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.pretraining import MaskedLM, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval._pretrained import documents
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.positions import LIKE_LONG, LONG_ABSTRACTS, first_place, first_segment
from counterpoint.training import TrainConfig
from counterpoint.views import TextView
from counterpoint.views.tokens import random_crop

TEMPERATURE = 0.05
CROPS = TextView(tokens=random_crop(0.1, 0.5))
"""Each view is 10% to 50% of a document."""


def contrast() -> InfoNCE:
    """By the cosine, against all others of the batch."""
    return InfoNCE(TEMPERATURE)


def documents_alone(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the documents of pairs, without what is asked."""
    del encoder, seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    return Data.alone(data.others[data.positives[:, 0]], source=data.source)


def any_order(text: str, generator: torch.Generator) -> str:
    """A view: a document's sentences in any order, so that none stands where it stood."""
    sentences = in_sentences(text)
    return " ".join(sentences[i] for i in torch.randperm(len(sentences), generator=generator).tolist())


def guesses(data: Data, encoder: nn.Module) -> MaskedLM:
    """Of masked tokens of the documents."""
    return MaskedLM(transformer(encoder), documents(data))


def dwell() -> Recipe:
    """Coelho et al. 2024: after a language model crops of documents find each other, then questions their documents."""
    pretraining = TrainConfig(epochs=1, batch_size=512, learning_rate=1e-4, schedule="linear")
    fine = TrainConfig(epochs=1, batch_size=128, learning_rate=5e-5, schedule="linear")
    first = Stage(contrast, pretraining, view=CROPS, prepare=(documents_alone,))
    return Recipe(
        "contrast, then fine-tuning", (first, Stage(contrast, fine)), Takes("text", "text"), adapt=mean_of_tokens
    )


def pretrained() -> Recipe:
    """Contrastive pre-training, for as long as both."""
    recipe = dwell()
    return recipe.varied("contrast", stages=recipe.stages[:1])


def language_model() -> Recipe:
    """The language model goes on, for as long."""
    return pretrained().varied("masked LM", objective=MaskedLM.objective, task=guesses, view=None, prepare=())


def fine_tuned_on_any_order() -> Recipe:
    """What is asked for stands anywhere in its document."""
    return dwell().varied("contrast, then fine-tuning on any order", view=(None, TextView(words=any_order)))


system(
    "Dwell in the Beginning",
    title="Dwell in the Beginning: How Language Models Embed Long Documents for Dense Retrieval",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_dwell.py::test_places_and_segments_are_those_of_a_naive_loop",
    claims=(
        Claim(
            "After contrastive pre-training a document is found better where its answer stands first",
            first_place,
            "the language model, trained on for as long",
            LONG_ABSTRACTS,
            Trained(language_model),
            system=Trained(pretrained),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "Fine-tuning makes that stronger",
            first_place,
            "contrastive pre-training for as long as both",
            LONG_ABSTRACTS,
            Trained(pretrained),
            off=Trained(fine_tuned_on_any_order),
            ceiling=1.0,
            floors=(),
        ),
        Claim(
            "After contrastive pre-training the vector of a document is more like that of its first segment",
            first_segment,
            "the language model, trained on for as long",
            LONG_ABSTRACTS,
            Trained(language_model),
            system=Trained(pretrained),
            ceiling=1.0,
            floors=(),
        ),
    ),
    signal=Signal(alignment, off=Trained(language_model), system=Trained(pretrained)),
    sample=LIKE_LONG,
    setup="The diagnosis itself is `evaluate.positional_bias`, for any encoder and any documents. Their model is a T5 "
    "with rotary positions that reads 2,048 tokens, with a decoder for pooling (with the mean it behaves alike); here "
    "it is a BERT of two layers with learned positions, mean-pooled, on abstracts cut after 128 words, and masked "
    "tokens stand in for spans. What is asked is claims, and the passage that answers one is the sentence that shares "
    "most rare words with it, in place of MS MARCO's 1,130 pairs whose passage is known; five places and segments for "
    "ten. That a document scores higher with its answer first than elsewhere is a share, and not their reciprocal "
    "rank, since it does not depend on how good a model is; `positional_bias` says both. Titles are the questions of "
    "fine-tuning, against the batch; their nine mined negatives a query are left out. Their equation shows no "
    f"temperature; here it is {TEMPERATURE}. Where answers stand in the training data may be what is learned: where "
    "the second claim's mechanism is off, it is fine-tuned on the same sentences in any order.",
)(dwell)
