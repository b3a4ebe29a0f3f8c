"""Gecko: a reader says which of a query's neighbours is its passage, and the batch's other queries are negatives."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.denoising import relabelled
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.procedures import AlsoQueries, Procedure
from counterpoint.relation import Relation, mined, own_mined, same, share
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.cropped import CROPPED
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_SCIFACT, nearest_other
from counterpoint.testbeds.unmarked import FEW_TITLES
from counterpoint.training import TrainConfig

_TOP = found("ndcg@10")
_TEMPERATURE = 0.05


def loss() -> Objective:
    """Each query's passage against those of the others, the other queries, and its own hard negative."""
    passages = ~mined & ~same("sample")
    return InfoNCE(_TEMPERATURE, relation=Relation(negative=passages | own_mined | share("asked")))


def also_queries(width: int) -> Procedure:
    """Queries are keys, too."""
    del width
    return AlsoQueries()


def labelled(*, positive: bool = True, negative: bool = True) -> Recipe:
    """An embedder of all pairs, and a second one, afresh, on what a reader says of the first one's neighbours."""
    train = TrainConfig(epochs=1, batch_size=256, learning_rate=1e-5)
    first = Stage(lambda: InfoNCE(_TEMPERATURE), train)
    prepare = (relabelled(positive=positive, negative=negative),)
    second = replace(first, objective=loss, procedure=also_queries, prepare=prepare, afresh=True)
    return Recipe("Gecko", (first, second), Takes("text", "text"))


def seeds() -> Recipe:
    """The passage that a query was made of, and no hard negative."""
    return labelled().varied("seed passages", prepare=())


def seeds_with_negative() -> Recipe:
    """That passage, and the neighbour that is its answer the least."""
    return labelled(positive=False)


def without_negative() -> Recipe:
    """The neighbour that is its answer the most, and no hard negative."""
    return labelled(negative=False)


def judged() -> Recipe:
    """On what people have judged."""
    return seeds().varied("judged")


_CEILING = Richer(Trained(judged), LONGER_SCIFACT)


@system(
    "Gecko",
    title="Gecko: Versatile Text Embeddings Distilled from Large Language Models",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_gecko.py::test_a_reader_says_which_neighbour_is_the_passage_and_which_the_negative",
    claims=(
        Claim(
            "Passages and hard negatives chosen by a reader among a query's neighbours beat the passage it is made of",
            _TOP,
            "that passage and no hard negative, same steps",
            CROPPED,
            Trained(seeds),
            ceiling=_CEILING,
        ),
        Claim(
            "Hard negatives help where the passage is chosen, too",
            _TOP,
            "chosen passages and no hard negative, same steps",
            CROPPED,
            Trained(without_negative),
            off=Trained(seeds),
            ceiling=_CEILING,
        ),
        Claim(
            "Choosing the passage helps where there are hard negatives",
            _TOP,
            "the passage it was made of, and a hard negative, same steps",
            CROPPED,
            Trained(seeds_with_negative),
            off=Trained(seeds),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(seeds)),
    sample=FEW_TITLES,
    setup="The reader is a small cross-encoder, kernels on the cosines of every two tokens, that learned from the "
    "pairs as they are; theirs is a large language model that gives the likelihood of the query and a class of "
    "relevance, whose two orders are put together. Queries are a sentence of each abstract and its title, theirs "
    "are written by the model. The pairs' own passage is read beside the 20 neighbours, whoever finds it. A "
    "table of token vectors stands in for their transformer, without text of the task before queries, and at its "
    "full width alone, where they add the loss of the first 256 dimensions. They print no temperature; it is "
    "0.05. Labelled data of other kinds are not here. The ceiling is trained on all claims.",
)
def gecko() -> Recipe:
    """Lee et al. 2024: the likeliest of the passages and the least likely of 20 neighbours; queries are negatives."""
    return labelled()
