"""CoT-MAE: what a span's vector knows must help a weak decoder to guess a span near it."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe
from counterpoint.pretraining import CoTMAE, MaskedLM, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval import cocondenser
from counterpoint.systems.retrieval._pretrained import (
    CEILING,
    LONGEST,
    SETUP,
    documents,
    guesses_of_spans,
    pretrained,
    with_task,
)
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.documents import BY_BERT, FEW_PAIRS
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig
from counterpoint.views import in_context

PRETRAINING = TrainConfig(epochs=8, batch_size=512, learning_rate=1e-4, schedule="linear")
FINE = TrainConfig(epochs=3, batch_size=64, learning_rate=2e-5, schedule="linear")


def in_contexts(data: Data) -> list[list[str]]:
    """Each span of all documents, with one beside it, one that overlaps and any one; by torch's random state."""
    return [piece for text in documents(data) for piece in in_context(text, LONGEST, torch.default_generator)]


def of_context(data: Data, encoder: nn.Module) -> CoTMAE:
    """The decoder has a span of the same document."""
    return CoTMAE(transformer(encoder), in_contexts(data), whole_words=True)


def of_itself(data: Data, encoder: nn.Module) -> CoTMAE:
    """The decoder has the span itself."""
    return CoTMAE(transformer(encoder), [[group[0], group[0]] for group in in_contexts(data)], whole_words=True)


def masked_spans(data: Data, encoder: nn.Module) -> MaskedLM:
    """No decoder."""
    return guesses_of_spans(data, encoder, share=0.3)


def own_text() -> Recipe:
    """No context."""
    return with_task(cot_mae(), "CoT-MAE of the span itself", of_itself, CoTMAE.objective)


def mlm() -> Recipe:
    """A masked language model with as many masked."""
    return with_task(cot_mae(), "masked LM, 30%", masked_spans, MaskedLM.objective)


@system(
    "CoT-MAE",
    title="ConTextual Masked Auto-Encoder for Dense Passage Retrieval",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_cot_mae.py::test_loss_is_that_of_a_naive_loop_over_spans_and_their_contexts",
    claims=(
        Claim(
            "A span that is guessed from the vector of one near it prepares an encoder better than coCondenser",
            found("ndcg@10"),
            "coCondenser, fine-tuned in its own way",
            BY_BERT,
            Trained(cocondenser.cocondenser),
            off=Trained(own_text),
            ceiling=CEILING,
        ),
        Claim(
            "It is better that the decoder guesses the context than the span itself",
            found("ndcg@10"),
            "the same decoder of the span itself",
            BY_BERT,
            Trained(own_text),
            off=Trained(mlm),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(mlm)),
    sample=FEW_PAIRS,
    setup=SETUP + "Of the paper its abstract was read, and the authors' code. Spans are pieces of a document of at "
    "most 48 words, for sentences up to 128 tokens of which some are short on purpose; what is beside a span, and any "
    "other one, is drawn once, and which of the three kinds is decoded each time. What overlaps has half of a span, "
    "where theirs has one sentence up to a half. Their second round of fine-tuning, with mined negatives, is left out.",
)
def cot_mae() -> Recipe:
    """Wu et al. 2022 and their code: 30% hidden from the encoder, 45% from two layers, both ways, equal weights."""
    return pretrained("CoT-MAE", of_context, CoTMAE.objective, PRETRAINING, FINE)
