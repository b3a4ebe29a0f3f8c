"""MO-SCNTM: a topic model whose sets of documents are contrasted; the shortest mean of both gradients is followed."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import Gaussian
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import MGDA, Objective, SetContrast, TopicELBO
from counterpoint.procedures import InSets, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.topics import (
    NEWS,
    SECTION_TOPICS,
    TOPICS,
    WORDS,
    coherence,
    diversity,
    kept_apart,
    topic_accuracy,
)
from counterpoint.training import TrainConfig
from counterpoint.views import bags, telling_words

SIZE = 4
"""Of a set."""


def inference(width: int) -> nn.Module:
    """Scholar's: softplus, then mean and log-variance, each normalised over the batch."""
    return nn.Sequential(nn.Softplus(), Gaussian(width, TOPICS, norm=lambda dim: nn.BatchNorm1d(dim, affine=False)))


def topics() -> TopicELBO:
    """A row of words for each topic, and their background."""
    return TopicELBO(nn.Linear(TOPICS, WORDS))


def in_sets(width: int) -> Procedure:
    """So many documents."""
    del width
    return InSets(SIZE)


def alone(width: int) -> Procedure:
    """Each document is a set."""
    del width
    return InSets(1)


def balanced() -> Objective:
    """Both losses by the shortest mean of their gradients."""
    return MGDA(topics(), SetContrast())


def weighed() -> Objective:
    """Their sum."""
    return topics() + SetContrast()


def topic_model() -> Recipe:
    """Without a contrast."""
    return mo_scntm().varied("neural topic model", objective=topics)


def by_document() -> Recipe:
    """Documents in place of sets."""
    return mo_scntm().varied("MO-SCNTM, documents", procedure=alone)


def fixed() -> Recipe:
    """Sets, and a weight that stays."""
    return mo_scntm().varied("SCNTM", objective=weighed)


_SETS = "Sets of documents are better than documents: topics are more coherent"


@system(
    "MO-SCNTM",
    title="Topic Modeling as Multi-Objective Contrastive Optimization",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_mo_scntm.py::test_losses_are_those_of_naive_loops_and_gradients_the_shortest_mean",
    variants={"SCNTM": fixed},
    claims=(
        Claim(
            "Its topics are more coherent", coherence, "the topic model alone", NEWS, Trained(topic_model), floors=()
        ),
        Claim("Its topics are more diverse", diversity, "the topic model alone", NEWS, Trained(topic_model), floors=()),
        Claim(
            "Its topics say more of the class",
            topic_accuracy,
            "the topic model alone",
            NEWS,
            Trained(topic_model),
            floors=(),
        ),
        Claim(_SETS, coherence, "the same of single documents", NEWS, Trained(by_document), floors=()),
        Claim(
            "Balanced gradients are better than a fixed weight: topics are more coherent",
            coherence,
            "the sum of both losses",
            NEWS,
            Trained(fixed),
            floors=(),
        ),
    ),
    signal=Signal(kept_apart, off=Trained(topic_model)),
    sample=SECTION_TOPICS,
    setup="Neither paper nor code was at hand. That a batch is cut into sets, whose minimum meets that of their "
    "positives and whose maximum that of their negatives in a loss of each set, is as a published review reads its "
    f"algorithm 1. Topics as proportions, their cosines, a weight of 1 for what repels, sets of {SIZE} documents, one "
    "order of a batch and means over sets and documents are ours. A language model or word vectors write the authors' "
    "versions of a document; here up to 15 words of the least or of the most tf-idf are replaced by others, as in "
    "their earlier model (Nguyen and Luu 2021), where the model says by what. Gradients are weighed by the points "
    "that both losses share, sample, mean and log-variance of a topic vector (Sener and Koltun's upper bound), in "
    "place of the encoder's weights; the decoder has its own whole gradient. Neither loss is brought to the other's "
    "size: that of words has by far the longer gradient, so that the shortest mean is nearly the contrast's alone, "
    "and the topics of the whole suffer. Scholar's network (Card et al. 2018) over a mean of token vectors, its "
    f"decoder without BatchNorm; {TOPICS} topics and {WORDS:,} words of BBC News, where the paper has 50 and more of "
    "larger collections. Coherence is by the training texts. The ceiling is NMF of tf-idf. The table's rate is 0.02.",
)
def mo_scntm() -> Recipe:
    """Nguyen et al. 2024: the evidence bound and the contrast of sets, weighed by the shortest mean gradient."""
    train = TrainConfig(epochs=100, batch_size=200, learning_rate=2e-3, weight_decay=0.0)
    stage = Stage(balanced, train, head=inference, procedure=in_sets, prepare=(bags(WORDS), telling_words()))
    return Recipe("MO-SCNTM", (stage,), Takes("text", schemas=("items", "labelled")))
