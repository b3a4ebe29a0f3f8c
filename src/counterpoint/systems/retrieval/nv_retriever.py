"""NV-Retriever: a teacher mines, and whatever it scores above a share of the positive's score is left out."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import self_mined
from counterpoint.negatives.rules import Rule, margin, places, share
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import nearest_other
from counterpoint.testbeds.unmarked import FEW_COPIES, UNMARKED, no_copy
from counterpoint.training import TrainConfig

_TOP = found("ndcg@10")
_TEMPERATURE = 0.05


def kept(*rules: Rule) -> Recipe:
    """A teacher, and a student that begins afresh with four negatives a row, the first that these rules keep."""
    train = TrainConfig(epochs=1, batch_size=128, learning_rate=1e-5, warmup=0.1)
    teacher = Stage(lambda: InfoNCE(_TEMPERATURE), train)
    student = replace(teacher, prepare=(self_mined(4, depth=100, keep=rules),), afresh=True)
    return Recipe("NV-Retriever", (teacher, student), Takes("text", "text"))


def naive() -> Recipe:
    """The first four, whatever they score (TopK)."""
    return kept()


def shifted() -> Recipe:
    """The first four after ten (TopK-shifted)."""
    return kept(places(11, 100))


def by_margin() -> Recipe:
    """Those that score 0.05 less than the positive (TopK-MarginPos)."""
    return kept(margin(0.05)).varied("NV-Retriever, margin")


def oracle() -> Recipe:
    """The first four, for who knows what is an answer."""
    return kept(no_copy)


@system(
    "NV-Retriever",
    title="NV-Retriever: Improving text embedding models with effective hard-negative mining",
    year=2024,
    family="retrieval",
    mechanism="tests/systems/test_nv_retriever.py::test_negatives_are_the_first_below_95_percent_of_the_positives_score",
    variants={"NV-Retriever, margin": by_margin},
    claims=(
        Claim(
            "Leaving out what scores over 95 % of the positive's score beats the first that are found",
            _TOP,
            "the first four, same steps",
            UNMARKED,
            Trained(naive),
            ceiling=Trained(oracle),
        ),
        Claim(
            "It beats leaving out the first ten",
            _TOP,
            "the first four after ten, same steps",
            UNMARKED,
            Trained(shifted),
            off=Trained(naive),
            ceiling=Trained(oracle),
        ),
        Claim(
            "So does leaving out what scores within 0.05 of the positive",
            _TOP,
            "the first four, same steps",
            UNMARKED,
            Trained(naive),
            system=Trained(by_margin),
            ceiling=Trained(oracle),
        ),
    ),
    signal=Signal(nearest_other, off=Trained(naive)),
    sample=FEW_COPIES,
    setup="The teacher is the same network after a first stage of in-batch contrast, and the student begins where the "
    "teacher began; theirs is E5-Mistral for a student of E5. In their data 38 to 47 % of what ranks highest are "
    "answers, as a language model judges; here it is known which are: of each abstract that answers a training "
    "claim there is a copy in seven tenths of its words. They print no temperature; it is 0.05. Of their second "
    "stage, with data of other tasks, nothing is here. Where the positive's score is below 0 a share of it would "
    "be more: then what is as far below it is left out. A table of token vectors stands in for Mistral. The "
    "oracle knows the copies.",
)
def nv_retriever() -> Recipe:
    """Moreira et al. 2024: TopK-PercPos at 95 %, four negatives, which all queries of the batch see."""
    return kept(share(0.95))
