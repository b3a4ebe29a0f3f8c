"""EREDAT: one encoder of graphs as strings and of texts; first which belong together, then how well a text says it."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives import mine_bm25
from counterpoint.objectives import InfoNCE, Objective, PairRegression
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.serafim import to_one
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.entities import FOUND_BY_GRAPH, KEPT_WORDS, SEEN_GRAPHS, SEEN_WORDS
from counterpoint.testbeds.figures import found, spearman
from counterpoint.testbeds.judged import JUDGED_TITLES
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.training import TrainConfig

TEMPERATURE = 0.05
"""A scale of 20, the usual one of the library that they train with."""
_TOP = found("mrr@10")
_CONTRAST = TrainConfig(epochs=1, batch_size=320, learning_rate=2e-5, weight_decay=0.01, schedule="linear")
_JUDGED = replace(_CONTRAST, epochs=50, batch_size=16)


def matching(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: pairs that nobody has judged and those that are judged best, without their scores."""
    del encoder, seed
    score = data.columns["score"]
    rest = {name: column for name, column in data.columns.items() if name != "score"}
    return replace(data, columns=rest)[score.isnan() | (score == score[~score.isnan()].max())]


def judged(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: pairs whose score is known, as a share of the best."""
    return to_one(data[~data.columns["score"].isnan()], encoder, seed)


def with_hard(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: beside each text the one that BM25 finds first for the graph, and that is not its own."""
    del encoder, seed
    return mine_bm25(data)


def in_batch() -> Objective:
    """A graph should find its text among those of the batch."""
    return InfoNCE(TEMPERATURE)


def of_all() -> Objective:
    """Both ways, and among all other graphs and texts of the batch."""
    return InfoNCE(TEMPERATURE, layout="views")


def contrast() -> Recipe:
    """The first stage alone."""
    stage = Stage(in_batch, _CONTRAST, prepare=(matching,))
    return Recipe("EREDAT, first stage", (stage,), Takes("text", "text", ("scored",)))


def hard_negatives() -> Recipe:
    """The first stage with a hard negative for each graph, 192 pairs a batch."""
    train = replace(_CONTRAST, batch_size=192)
    return contrast().varied("EREDAT, hard negatives", train=train, prepare=(matching, with_hard))


def all_negatives() -> Recipe:
    """The first stage against all that is in the batch, 160 pairs."""
    return contrast().varied("EREDAT, all negatives", objective=of_all, train=replace(_CONTRAST, batch_size=160))


def regression() -> Recipe:
    """The second stage alone."""
    stage = Stage(PairRegression, _JUDGED, prepare=(judged,))
    return contrast().varied("EREDAT, second stage", stages=(stage,))


def in_halves() -> Recipe:
    """As many steps for each stage."""
    return eredat().changed(epochs=1)


@system(
    "EREDAT",
    title="Joint Representations of Text and Knowledge Graphs for Retrieval and Evaluation",
    year=2023,
    family="retrieval",
    mechanism="tests/systems/test_eredat.py::test_each_stage_s_loss_is_that_of_a_naive_loop",
    variants={"EREDAT hard negatives": hard_negatives, "EREDAT all negatives": all_negatives},
    claims=(
        Claim(
            "Where graphs and texts are contrasted first, the cosine that is trained on judgements tells better how "
            "well a text says what a graph does",
            spearman,
            "the stage on judgements alone, as many steps",
            KEPT_WORDS,
            Trained(regression),
            system=Trained(in_halves),
            ceiling=Richer(Trained(in_halves), SEEN_WORDS),
        ),
        Claim(
            "The cosine of graph and text, without any judgement, tells it better than the words that both share",
            spearman,
            "the cosine of tf-idf vectors",
            KEPT_WORDS,
            TF_IDF,
            system=Trained(contrast),
            ceiling=Richer(Trained(in_halves), SEEN_WORDS),
            floors=(),
        ),
        Claim(
            "With a hard negative for each graph more texts are found by their graphs",
            _TOP,
            "negatives of the batch alone, same steps",
            FOUND_BY_GRAPH,
            Trained(contrast),
            system=Trained(hard_negatives),
            ceiling=Richer(Trained(contrast), SEEN_GRAPHS),
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(regression)),
    sample=JUDGED_TITLES,
    setup="Neither the paper's text nor training code was to be had: of the paper its abstract was, and what is written"
    " beside the models. From there are the three kinds of negatives with 320, 192 and 160 pairs a batch, and the"
    " second stage, 50 passes in batches of 16 over the squared error of cosine and human score. The scale of 20 "
    "is the usual one of the library that they use; that a hard negative is the text that BM25 finds first, and "
    "that all negatives are the other graphs and texts of the batch both ways, is our reading. Graphs are the "
    "facts of an entity of WN18RR, one after another, and texts its gloss, for six corpora of facts with "
    "sentences. The share of a gloss's words that are its own stands for human scores: the others are drawn from "
    "another's. One table of token vectors from scratch stands in for MPNet, and one model for an ensemble with "
    "cross-encoders. In the first claim both stages have as many steps each. The ceiling has the test's pairs "
    "among those of training.",
)
def eredat() -> Recipe:
    """Le Scao and Gardent 2023, and what is written beside their models."""
    return replace(contrast(), name="EREDAT", stages=(*contrast().stages, *regression().stages))
