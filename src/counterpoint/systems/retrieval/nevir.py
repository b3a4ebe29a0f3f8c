"""NevIR: two documents that differ by a negation, each with its query; and fine-tuning on such contrasts."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.negation import MADE_NEGATIONS, NEGATIONS, contradiction, told_apart
from counterpoint.training import TrainConfig

TEMPERATURE = 0.05


def contrast() -> Objective:
    """Queries against the documents of the batch."""
    return InfoNCE(TEMPERATURE)


def without_contrasts(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: no document beside the one that it contradicts, and where it is known none negated."""
    del encoder, seed
    plain = data if "negated" not in data.columns else data[data.columns["negated"] == 0]
    return replace(plain, negatives=None)


def without_negatives(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: negated documents and their queries, but none beside the one that it contradicts."""
    del encoder, seed
    return replace(data, negatives=None)


def nevir() -> Recipe:
    """Weller et al. 2023: a retriever as usual, then fine-tuned on contrasts."""
    train = TrainConfig(epochs=1, batch_size=64, learning_rate=2e-5, schedule="linear")
    usual = Stage(contrast, train, prepare=(without_contrasts,))
    return Recipe("NevIR, fine-tuned", (usual, Stage(contrast, train)), Takes("text", "text"))


def usual() -> Recipe:
    """Never shown a negation beside what it negates, and for as long."""
    return nevir().varied("a usual retriever", prepare=(without_contrasts,))


def apart() -> Recipe:
    """Negations are seen, and never as hard negatives."""
    return nevir().varied("NevIR, negations apart", prepare=(without_negatives,))


system(
    "NevIR",
    title="NevIR: Negation in Neural Information Retrieval",
    year=2023,
    family="retrieval",
    mechanism="tests/systems/test_nevir.py::test_a_contrast_counts_if_both_queries_find_their_own_document",
    claims=(
        Claim(
            "Fine-tuned on contrasts it tells more of them",
            told_apart,
            "the same texts for as long, none beside the one that it contradicts",
            NEGATIONS,
            Trained(apart),
            off=Trained(usual),
            ceiling=1.0,
        ),
    ),
    signal=Signal(contradiction, off=Trained(apart)),
    sample=MADE_NEGATIONS,
    setup="The benchmark itself is `counterpoint evaluate MODEL test.jsonl` on the authors' file, for encoders, and "
    "`evaluate.evaluate_contrasts` for any scorer. What is measured here is made by rule: premises of SNLI are "
    "documents, what follows from them are queries, and both are negated, in other words each, where people wrote "
    "theirs; so the negation is the only difference, and learning it is learning six phrases. A table of token vectors "
    "stands in for their retrievers, and knows no negation beyond its word. Which loss they fine-tuned by is not told "
    "in their code; here InfoNCE with the other document as a hard negative. Their finding that retrievers as usual do "
    "worse than chance is not measured: words of negation that no query has leave a table of words no choice. "
    "Cross-encoders and late interaction, which were best, are not measured, nor is what fine-tuning costs "
    "elsewhere.",
)(nevir)
