"""COSTA: no decoder; a text's first token is near the means of spans of the text, of four sizes."""

from __future__ import annotations

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe
from counterpoint.pretraining import Condenser, MaskedLM, SpanPrediction
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval._pretrained import (
    CEILING,
    SETUP,
    condensed_spans,
    guesses_of_spans,
    pretrained,
    with_task,
)
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.documents import BY_BERT, FEW_PAIRS
from counterpoint.testbeds.figures import found
from counterpoint.training import TrainConfig

PRETRAINING = TrainConfig(epochs=8, batch_size=512, learning_rate=1e-4, schedule="linear")


def predicted_spans(data: Data, encoder: nn.Module) -> MaskedLM:
    """Each piece finds spans of itself."""
    return guesses_of_spans(data, encoder, SpanPrediction)


def mlm() -> Recipe:
    """No contrast."""
    return with_task(costa(), "masked LM", guesses_of_spans, MaskedLM.objective)


def condenser() -> Recipe:
    """A decoder in its place."""
    return with_task(costa(), "Condenser", condensed_spans, Condenser.objective)


@system(
    "COSTA",
    title="Pre-train a Discriminative Text Encoder for Dense Retrieval via Contrastive Span Prediction",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_costa.py::test_loss_is_that_of_a_naive_loop_over_tokens_and_groups",
    claims=(
        Claim(
            "A vector that finds spans of its text prepares an encoder better for retrieval than a weak decoder",
            found("ndcg@10"),
            "a Condenser, fine-tuned alike",
            BY_BERT,
            Trained(condenser),
            off=Trained(mlm),
            ceiling=CEILING,
        ),
        Claim(
            "And better than a masked language model",
            found("ndcg@10"),
            "a masked language model, fine-tuned alike",
            BY_BERT,
            Trained(mlm),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(mlm)),
    sample=FEW_PAIRS,
    setup=SETUP + "The paper's abstract was read, a caption of its figure, and the authors' fine-tuning; the code of "
    "their pre-training is not public. Of the formula, inner products, a temperature of 0.1, a projector of two layers "
    "and that a text's own spans compete with each other are our reading, and so are five spans of each size, their "
    "lengths (1; 4 to 16; 16 to 64; 64 to 128 words, where the text has so many), equal weights, the rate of "
    "pre-training and that masked tokens are guessed in the same reading. A Condenser stands in for other weak "
    "decoders. Texts are pieces of documents of at most 48 words, so that a paragraph's span is all of one. "
    "Fine-tuning with seven BM25 negatives, and again with mined ones, is left out.",
)
def costa() -> Recipe:
    """Ma et al. 2022, as far as it is told: guesses of tokens, and a contrast of a text with spans by groups."""
    return pretrained("COSTA", predicted_spans, SpanPrediction.objective, PRETRAINING)
