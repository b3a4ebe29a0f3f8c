"""DPR: question and passage encoders, inner product, in-batch negatives and one from BM25."""

from __future__ import annotations

from torch import nn

from counterpoint.encoders.adapting import first_token, two_towers
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import bm25_negatives
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, SMALL_TITLES, nearest_wrong
from counterpoint.training import TrainConfig

_TOP = found("hit@20")


def question_and_passage(encoder: nn.Module) -> nn.Module:
    """Two encoders, each of which gives its first token."""
    return two_towers(first_token(encoder))


def mined(number: int) -> Recipe:
    """With so many negatives of BM25 a question, each a negative of all questions of the batch."""
    train = TrainConfig(epochs=40, batch_size=128, learning_rate=1e-5, schedule="linear")
    prepare = (bm25_negatives(number),) if number else ()
    stage = Stage(lambda: InfoNCE(1.0, geometry=Dot()), train, prepare=prepare)
    name = "DPR" if number == 1 else f"DPR, {number} mined"
    return Recipe(name, (stage,), Takes("text", "text"), similarity="dot", adapt=question_and_passage)


def in_batch() -> Recipe:
    """Without any."""
    return mined(0)


def two_mined() -> Recipe:
    """With two."""
    return mined(2)


def all_claims() -> Recipe:
    """Where there is more to learn from."""
    return mined(1).varied("DPR with more")


_CEILING = Richer(Trained(all_claims), LONGER_SCIFACT)


@system(
    "DPR",
    title="Dense Passage Retrieval for Open-Domain Question Answering",
    year=2020,
    family="retrieval",
    mechanism="tests/systems/test_dpr.py::test_loss_is_that_of_a_naive_loop_over_n_plus_n_passages",
    claims=(
        Claim(
            "A dense retriever trained on pairs finds more answers than BM25",
            _TOP,
            "BM25",
            SCIFACT,
            LEXICAL,
            off=Trained(in_batch),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
        Claim(
            "One BM25 negative a question beats in-batch negatives alone",
            _TOP,
            "in-batch negatives only, same steps",
            SCIFACT,
            Trained(in_batch),
            ceiling=_CEILING,
        ),
        Claim(
            "A second BM25 negative does not help",
            _TOP,
            "two a question, same steps; as good as within 0.01",
            SCIFACT,
            Trained(two_mined),
            ceiling=_CEILING,
            margin=0.01,
        ),
    ),
    signal=Signal(nearest_wrong, off=Trained(in_batch)),
    sample=SMALL_TITLES,
    setup="Claims of SciFact stand in for questions, its abstracts for passages, and an answer is an abstract that is "
    "judged, not one that holds a string. Two tables of token vectors, which begin as copies, stand in for two BERTs: "
    "trained here within a minute, a transformer's first token is far behind BM25 whatever its loss; of a "
    "transformer, the method takes that token. A table's vectors differ in length, where BERT's last LayerNorm makes "
    "them nearly equal. Gradients flow to the passages of all processes, where the authors' code detaches them. BM25 "
    "stems. The ceiling has the test's claims among its training claims.",
)
def dpr() -> Recipe:
    """Karpukhin et al. 2020: section 3.2 (loss, batch 128, one BM25 negative) and 5 (training)."""
    return mined(1)
