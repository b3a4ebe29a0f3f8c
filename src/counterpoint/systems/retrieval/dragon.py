"""DRAGON: queries that nobody asked, labelled by one teacher after another, each joining those before it."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.labelling import Teacher, by_topics, by_words, labelled_by
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.retrieval.dpr import question_and_passage
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.cropped import CROPPED
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_SCIFACT, nearest_other
from counterpoint.testbeds.unmarked import FEW_TITLES
from counterpoint.training import TrainConfig

_TOP = found("ndcg@10")
_TEMPERATURE = 0.05
_TEACHERS: tuple[Teacher, ...] = (by_words, by_topics(128, "char_wb"), by_topics(128))


def rounds(*teachers: tuple[Teacher, ...], top: int = 10) -> Recipe:
    """One round after another from the last one's end, each with its teachers, of which one is drawn for each query."""
    train = TrainConfig(epochs=20, batch_size=2048, learning_rate=3e-5, clip=2.0, warmup=0.1, schedule="linear")
    stage = Stage(lambda: InfoNCE(_TEMPERATURE), train)
    stages = tuple(replace(stage, prepare=(labelled_by(of, top=top, again=i),)) for i, of in enumerate(teachers))
    return Recipe("DRAGON", stages, Takes("text", "text"), adapt=question_and_passage)


def one_teacher() -> Recipe:
    """The first alone, in every round."""
    return rounds(*[_TEACHERS[:1]] * 3)


def all_teachers() -> Recipe:
    """All, from the first round on."""
    return rounds(*[_TEACHERS] * 3)


def first_only() -> Recipe:
    """Progressive, and the positive is what the teacher ranks first."""
    return rounds(*(_TEACHERS[: i + 1] for i in range(3)), top=1)


def judged() -> Recipe:
    """On what people have judged."""
    return dragon().varied("judged", stages=(replace(dragon().stages[0], prepare=()),))


_CEILING = Richer(Trained(judged), LONGER_SCIFACT)


@system(
    "DRAGON",
    title="How to Train Your DRAGON: Diverse Augmentation Towards Generalizable Dense Retrieval",
    year=2023,
    family="retrieval",
    mechanism="tests/systems/test_dragon.py::test_positives_and_negatives_are_from_the_list_of_one_teacher",
    claims=(
        Claim(
            "Diverse teachers, one after another, make a retriever that generalises better than a single one does",
            _TOP,
            "the first teacher alone, same steps",
            CROPPED,
            Trained(one_teacher),
            ceiling=_CEILING,
        ),
        Claim(
            "It is better that they join one after another than that all teach from the beginning",
            _TOP,
            "all teachers in every round, same steps",
            CROPPED,
            Trained(all_teachers),
            off=Trained(one_teacher),
            ceiling=_CEILING,
        ),
        Claim(
            "Positives from the first ten are better than the first alone",
            _TOP,
            "the first, same steps",
            CROPPED,
            Trained(first_only),
            off=Trained(one_teacher),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_other, off=Trained(one_teacher)),
    sample=FEW_TITLES,
    setup="Three teachers that need no training stand in for five that do: BM25, and latent semantic analysis of "
    "character sequences and of words; theirs are uniCOIL, Contriever, GTR, ColBERTv2 and SPLADE++. Queries are "
    "a sentence cropped from each abstract and, for what a model writes, its title; the test's are claims. A "
    "query has one teacher, positive and negative in a round, drawn once, where theirs are drawn at every step. "
    "Scores are cosines at a temperature of 0.05, theirs inner products; gradients flow to the passages of all "
    "processes, where their code detaches them. Tables of token vectors, which begin as copies, stand in for two "
    "BERTs. What the data say belongs to a query is not asked, but where a teacher finds nothing. The ceiling is "
    "trained on all claims.",
)
def dragon() -> Recipe:
    """Lin et al. 2023 and their code: positives from 10 places, negatives from 46 to 50, a teacher more a round."""
    return rounds(*(_TEACHERS[: i + 1] for i in range(3)))
