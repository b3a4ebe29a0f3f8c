"""PAIR: a passage that answers is to be nearer to its query than to passages that do not."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.encoders.adapting import first_token
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.denoising import denoised
from counterpoint.objectives import InfoNCE, Objective, Only
from counterpoint.procedures import AlsoPassages, Procedure
from counterpoint.relation import Relation, mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import nearest_other
from counterpoint.testbeds.unmarked import FEW_HALF_LABELLED, HALF_LABELLED, UNMARKED
from counterpoint.training import TrainConfig

_TOP = found("mrr@10")
_TEMPERATURE, _WEIGHT = 0.05, 0.1


def query_centric() -> Objective:
    """Each query's positive against all passages."""
    return InfoNCE(_TEMPERATURE)


def both_relations() -> Objective:
    """0.9 of that, and 0.1 of each positive's query against all hard negatives."""
    passages = Only("term", 1, InfoNCE(_TEMPERATURE, relation=Relation(negative=mined)))
    return (1 - _WEIGHT) * Only("term", 0, query_centric()) + _WEIGHT * passages


def also_passages(width: int) -> Procedure:
    """Positives are queries, too."""
    del width
    return AlsoPassages()


def staged(*, first: bool = True, second: bool = False) -> Recipe:
    """A retriever that finds, then two stages from the start on what a cross-encoder says of it.

    Args:
        first: Whether the first of both is passage-centric, too.
        second: Whether the second is.
    """
    train = TrainConfig(epochs=10, batch_size=512, learning_rate=3e-5, weight_decay=0.0, warmup=0.1)
    finds = Stage(query_centric, train)
    plain = replace(finds, prepare=(denoised(1),))
    centric = replace(plain, objective=both_relations, procedure=also_passages)
    stages = (finds, replace(centric if first else plain, afresh=True), centric if second else plain)
    return Recipe("PAIR", stages, Takes("text", "text"), adapt=first_token)


def without_passages() -> Recipe:
    """Query-centric in both."""
    return staged(first=False)


def to_the_end() -> Recipe:
    """Passage-centric in both."""
    return staged(second=True)


_CEILING = Richer(Trained(without_passages), UNMARKED)


@system(
    "PAIR",
    title="PAIR: Leveraging Passage-Centric Similarity Relation for Improving Dense Passage Retrieval",
    year=2021,
    family="retrieval",
    mechanism="tests/systems/test_pair.py::test_loss_is_that_of_both_relations_by_a_naive_loop",
    claims=(
        Claim(
            "Learning how passages lie to each other beside how they lie to queries improves retrieval",
            _TOP,
            "query-centric in both stages, same steps",
            HALF_LABELLED,
            Trained(without_passages),
            ceiling=_CEILING,
        ),
        Claim(
            "It is better left out in the second stage",
            _TOP,
            "passage-centric in both stages, same steps",
            HALF_LABELLED,
            Trained(to_the_end),
            off=Trained(without_passages),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(without_passages)),
    sample=FEW_HALF_LABELLED,
    setup="A first retriever, trained on the batch's passages, finds what a cross-encoder then reads, where the "
    "authors have RocketQA's; from it come the hard negatives and the answers to questions that nobody has "
    "answered, as for RocketQA here, and both stages have them, each with a cross-encoder of its own. Their "
    "first stage has questions of other domains, too, and their second is on labelled ones beside; here both are "
    "of the same rows. The passage-centric loss is the paper's, a query against hard negatives; their code has "
    "the other queries of the batch among these. AdamW stands in for LAMB, batches are of 512 over all "
    "processes, scores are cosines at a temperature of 0.05 and theirs inner products. A table of token vectors "
    "stands in for ERNIE. Of each abstract that answers a claim there is an unmarked copy; the ceiling has the "
    "labels of all claims.",
)
def pair() -> Recipe:
    """Ren et al. 2021 and their code: one shared encoder, a = 0.1 in the first stage, and 0 in the second."""
    return staged()
