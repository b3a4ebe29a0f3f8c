"""R2anker: a ranker that learns from the negatives of several retrievers, and a retriever that is taught by it."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import KernelCrossEncoder, StaticEncoder
from counterpoint.geometry import Dot
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.stage import Prepare, train_stage
from counterpoint.negatives import by_encoder, lexical, mine
from counterpoint.negatives.prepare import taught
from counterpoint.negatives.rankers import Ranker
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import Apart, DistillKL, InfoNCE, Objective
from counterpoint.procedures import Lists, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Made, Parts, Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import Lexical
from counterpoint.testbeds.ranked import Reranked
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, SMALL_TITLES, nearest_other
from counterpoint.training import TrainConfig
from counterpoint.training.lists import cross_encoder, whole

_TOP = found("ndcg@10")
_NEGATIVES, _DEPTH = 6, 100
INNER: dict[str, Any] = {"temperature": 1.0, "geometry": Dot()}
COSINE: dict[str, Any] = {"temperature": 0.05}
"""Inner products as they are, and what a table of token vectors learns by."""
_RETRIEVER = TrainConfig(epochs=1, batch_size=64, learning_rate=2e-5)
_ON_TABLE = replace(_RETRIEVER, steps=50, learning_rate=2e-3, weight_decay=0.0, chunk_tokens=1 << 20, dtype="float32")


def several_retrievers(settings: TrainConfig, compared: dict[str, Any]) -> Prepare:
    """Two negatives a row of each of three retrievers' first hundred.

    They are BM25, a dense one that learned from BM25's hardest, and one that learned from that one's.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        assert data.others is not None  # what it takes are pairs
        rankers: list[Ranker] = [lexical(list(data.others.texts))]
        stage = Stage(lambda: InfoNCE(**compared), settings)
        for _ in range(2):
            copied = copy.deepcopy(encoder)
            train_stage(stage, mine(data, rankers[-1:], 1, depth=_DEPTH), copied, seed)
            rankers.append(by_encoder(copied.eval(), data))
        return mine(data, rankers, _NEGATIVES // len(rankers), depth=_DEPTH, draw=uniform, seed=seed)

    return prepare


def of_bm25(data: Data, encoder: nn.Module, seed: int) -> Data:
    """As many negatives of BM25's hundred alone."""
    del encoder
    assert data.others is not None
    return mine(data, [lexical(list(data.others.texts))], _NEGATIVES, depth=_DEPTH, draw=uniform, seed=seed)


def taught_by_ranker(compared: dict[str, Any]) -> Objective:
    """`KL(ranker || retriever)` over each query's own list of one positive and its negatives."""
    return Apart("owned", DistillKL(**compared))


def own_lists(width: int) -> Procedure:
    """Each query's list with the ranker's scores."""
    del width
    return Lists()


def with_retrievers(settings: TrainConfig, compared: dict[str, Any] = INNER) -> Recipe:
    """Retrievers that find negatives are trained so."""
    train = TrainConfig(epochs=3, batch_size=64, learning_rate=2e-5)
    prepare = (several_retrievers(settings, compared), taught())
    stage = Stage(partial(taught_by_ranker, compared), train, procedure=own_lists, prepare=prepare)
    return Recipe("R2anker", (stage,), Takes("text", "text"), similarity="cosine" if compared is COSINE else "dot")


def on_table() -> Recipe:
    """For a table of token vectors: retrievers of 50 steps each, and cosines."""
    return with_retrievers(_ON_TABLE, COSINE)


def one_retriever() -> Recipe:
    """The ranker learns from BM25's negatives alone, and teaches over them."""
    return on_table().varied("BM25's negatives", prepare=(of_bm25, taught()))


def in_order(seed: int) -> dict[str, float]:
    """nDCG@10 of SciFact's claims, BM25's first hundred put in order by rankers."""
    assert SCIFACT.start is not None and LONGER_SCIFACT.start is not None  # noqa: PT018
    parts, more = SCIFACT.parts(seed), LONGER_SCIFACT.parts(seed)[0]
    mined = several_retrievers(_ON_TABLE, COSINE)

    def start() -> nn.Module:
        assert SCIFACT.start is not None
        return on_table().settle(SCIFACT.start(parts[0], seed))  # type: ignore[no-any-return]

    rankers = {
        "untrained": untrained(parts, seed),
        "baseline": cross_encoder(of_bm25(parts[0], start(), seed), seed),
        "system": cross_encoder(mined(parts[0], start(), seed), seed),
        "ceiling": cross_encoder(mined(more, start(), seed), seed, steps=600),
    }
    made = {name: Made(name, Reranked(ranker.score), parts, seed) for name, ranker in rankers.items()}
    return {"raw": _TOP.of(Made("BM25", Lexical(), parts, seed)), **{name: _TOP.of(one) for name, one in made.items()}}


def untrained(parts: Parts, seed: int) -> KernelCrossEncoder:
    """A ranker as it begins: it counts the words that both have."""
    data = parts[0]
    assert data.others is not None
    texts = [*whole(data.anchors), *whole(data.others)]
    return KernelCrossEncoder(StaticEncoder.from_corpus(texts, vocab_size=20_000, dim=64, seed=seed, prompts={}))


@system(
    "R2anker",
    title="Towards Robust Ranker for Text Retrieval",
    year=2022,
    family="retrieval",
    mechanism="tests/systems/test_r2anker.py::test_negatives_are_drawn_from_what_each_of_three_retrievers_finds",
    claims=(
        Claim(
            "A ranker that learns from the negatives of several retrievers puts BM25's first hundred in a better order "
            "than one that learns from as many of BM25's alone",
            "ndcg@10 of the reranked",
            "a ranker that learns from BM25's negatives, as many, same steps",
            check=in_order,
        ),
        Claim(
            "A retriever that is taught by such a ranker, over such negatives, finds more",
            _TOP,
            "taught by a ranker that learned from BM25's negatives, over these lists",
            SCIFACT,
            Trained(one_retriever),
            system=Trained(on_table),
            ceiling=Richer(Trained(one_retriever), LONGER_SCIFACT),
        ),
    ),
    signal=Signal(nearest_other, off=Trained(one_retriever), system=Trained(on_table), bed=SCIFACT),
    sample=SMALL_TITLES,
    setup="Neither the paper's text nor its code was to be had: what is known is its abstract, which says that several "
    "retrievers give negatives of a joint distribution, and the rest is how others tell it. The ranker's loss is the "
    "softmax cross-entropy over a positive and its negatives, the retriever's the divergence of its softmax from the "
    "ranker's, both at temperature 1; measured are cosines at 0.05, by which the table learns. The numbers of "
    "negatives (two of each retriever) and steps are ours. There are three retrievers, BM25 and two dense ones, of "
    "which the second learns from the first's hardest; the learned sparse one is left out. The ranker is small "
    "(kernels on the cosines of every two tokens, from scratch) where theirs is a pretrained transformer, and 807 "
    "claims of SciFact stand in for MS MARCO. The ceiling has the test's "
    "claims among its training claims.",
)
def r2anker() -> Recipe:
    """Zhou et al. 2022: negatives of several retrievers, a ranker that learns from them, and its distillation."""
    return with_retrievers(_RETRIEVER)
