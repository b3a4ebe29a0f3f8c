"""AGRaME: a passage is encoded once, and it and any part of it are ranked by the vectors of their tokens."""

from __future__ import annotations

from functools import partial

from torch import nn

from counterpoint.encoders import EachSpan, MultiVectorEncoder, SpanEncoder, TransformerEncoder
from counterpoint.encoders.wrapping import late_interaction
from counterpoint.errors import InputError
from counterpoint.geometry import MaxSim
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.parts import taught_parts
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import DistillKL, Objective
from counterpoint.procedures import Procedure, SpanLists
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.spans import FEW_SPANS, SEEN_SPANS, SPANS, margin_within, passage_found, sentence_found
from counterpoint.training import TrainConfig

MARKER, NEGATIVES = "sentence: ", 3
PROMPTS = {"query": "query: ", "document": "document: "}


def distillation() -> Objective:
    """What the cross-encoders say of each list."""
    return DistillKL(1.0, geometry=MaxSim())


def both(width: int) -> Procedure:
    """Passages and their sentences."""
    del width
    return SpanLists()


def passages(width: int) -> Procedure:
    """Passages alone."""
    del width
    return SpanLists(parts=False)


def spanned(encoder: nn.Module, marker: str = MARKER) -> nn.Module:
    """Late interaction with parts of passages, by a marker of their own; "": by that of passages."""
    if isinstance(encoder, SpanEncoder):
        return encoder
    late = late_interaction(encoder)
    if not isinstance(late, MultiVectorEncoder) or not isinstance(late.encoder, TransformerEncoder):
        raise InputError("parts are of the tokens of a transformer", fix="give one for a base, such as minilm")
    return SpanEncoder(late, marker).to(late.device)


def agrame() -> Recipe:
    """Gangi Reddy et al. 2024: equations of both levels, two markers; what they do not print is ColBERT's."""
    train = TrainConfig(epochs=3, batch_size=32, learning_rate=1e-5)
    prepare = (bm25_negatives(NEGATIVES), taught_parts())
    stage = Stage(distillation, train, procedure=both, prepare=prepare, around=EachSpan)
    return Recipe("AGRaME", (stage,), Takes("text", "text"), prompts=PROMPTS, adapt=spanned)


def passages_alone() -> Recipe:
    """Late interaction that learns of passages alone; its sentences are spans of the same vectors."""
    return agrame().varied("passages alone", procedure=passages, adapt=partial(spanned, marker=""))


def one_marker() -> Recipe:
    """The same marker for both."""
    return agrame().varied("AGRaME, one marker", adapt=partial(spanned, marker=""))


_CEILING = Richer(Trained(agrame), SEEN_SPANS)


system(
    "AGRaME",
    title="AGRaME: Any-Granularity Ranking with Multi-Vector Embeddings",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_agrame.py::test_loss_is_that_of_a_naive_loop_over_passages_and_their_sentences",
    claims=(
        Claim(
            "Learning what is said of the sentences of a passage finds sentences better by the vectors of passages",
            sentence_found,
            "what is said of passages alone, same steps",
            SPANS,
            Trained(passages_alone),
            ceiling=_CEILING,
        ),
        Claim(
            "A marker of their own for sentences finds more of them than that of passages",
            sentence_found,
            "one marker, same losses and steps",
            SPANS,
            Trained(one_marker),
            off=Trained(passages_alone),
            ceiling=_CEILING,
        ),
        Claim(
            "Passages are found as well as without",
            passage_found,
            "what is said of passages alone; as good as within 0.01",
            SPANS,
            Trained(passages_alone),
            ceiling=_CEILING,
            margin=0.01,
        ),
    ),
    signal=Signal(margin_within, off=Trained(passages_alone)),
    sample=FEW_SPANS,
    setup="Passages are first sentences of five descriptions of packages that stand near each other by name, and a "
    "title asks for its own. The loss is half of theirs, which is the sum of both levels; the weight of a passage in "
    "the second is the softmax of its score. Their ColBERTv2 of BERT-base is SmolLM2's first layer, causal, with "
    "dropout of 0.1, and a projection to 128, not pre-trained for ranking: a sentence has read those before it alone. "
    "Markers are words, theirs tokens. Both cross-encoders are small, kernels on the cosines of every two tokens, and "
    "trained here: that of sentences reads a sentence by itself and learns by a softmax over those of a passage, where "
    "theirs reads the passage with the sentence between signs and learns whether it holds an answer. Lists are one "
    "right passage and three of BM25's; where data do not say which sentence answers, it is the one that the first "
    "cross-encoder likes best. How much a passage's score counts in that of its sentences they do not print; "
    "here it counts fully. Propositions and citations are left out. The ceiling is trained on the test's titles.",
)(agrame)
