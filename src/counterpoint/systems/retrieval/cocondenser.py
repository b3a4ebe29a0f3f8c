"""coCondenser: a Condenser whose vectors of two spans of a document find each other among those of other documents."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe
from counterpoint.pretraining import CoCondenser, MaskedLM, transformer
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval._pretrained import (
    CEILING,
    SETUP,
    guesses_of_spans,
    in_spans,
    pretrained,
    with_task,
)
from counterpoint.testbeds import Trained
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.documents import BY_BERT, FEW_PAIRS
from counterpoint.testbeds.figures import found


def contrasted_spans(data: Data, encoder: nn.Module) -> CoCondenser:
    """Two spans of each document."""
    return CoCondenser(transformer(encoder), in_spans(data), whole_words=True)


def condenser() -> Recipe:
    """No contrast."""
    return with_task(cocondenser(), "Condenser", contrasted_spans, partial(CoCondenser.objective, 0.0))


def mlm() -> Recipe:
    """Neither a contrast nor a head."""
    return with_task(cocondenser(), "masked LM", guesses_of_spans, MaskedLM.objective)


@system(
    "coCondenser",
    title="Unsupervised Corpus Aware Language Model Pre-training for Dense Passage Retrieval",
    year=2021,
    family="retrieval",
    mechanism="tests/systems/test_cocondenser.py::test_loss_is_that_of_a_naive_loop_over_tokens_and_spans",
    claims=(
        Claim(
            "Spans of a document that find each other prepare an encoder better for retrieval than a Condenser",
            found("ndcg@10"),
            "a Condenser, fine-tuned alike",
            BY_BERT,
            Trained(condenser),
            ceiling=CEILING,
        ),
        Claim(
            "And better than a masked language model",
            found("ndcg@10"),
            "a masked language model, fine-tuned alike",
            BY_BERT,
            Trained(mlm),
            off=Trained(condenser),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment, off=Trained(condenser)),
    sample=FEW_PAIRS,
    setup=SETUP + "Theirs begins as a Condenser of Wikipedia and books, with its head; here all three losses begin "
    "together. The head reads the states after half of the layers. Spans are pieces of a document of at most 48 "
    "words, for 128 tokens or more, and not whole sentences; fine-tuning with mined negatives, a second round on MS "
    "MARCO, is left out. The compared masked language model sees one span of a document at a time, half as many a "
    "step.",
)
def cocondenser() -> Recipe:
    """Gao and Callan 2022 and their code: guesses late and by the head, and the contrast, at equal weights."""
    return pretrained("coCondenser", contrasted_spans, CoCondenser.objective)
