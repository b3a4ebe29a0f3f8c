"""MEQ: questions that differ by a word and have other answers, and a contrast between questions that learns of them."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from counterpoint.data.items import Data
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.edits import with_edits
from counterpoint.objectives import InfoNCE, Objective
from counterpoint.relation import Relation, equal, mined
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.edits import (
    EDITED_TITLES,
    FEW_EDITED_TITLES,
    SEEN_TITLES,
    consistent,
    found_of,
    likeness_of_edits,
)
from counterpoint.training import TrainConfig

_TEMPERATURE, _WEIGHT = 0.05, 0.5
_EDITED, _OTHER = found_of(contrast=True), found_of(contrast=False)
_PARAPHRASE = mined & equal("paraphrase", "input")


def of_passages() -> Objective:
    """Each question's passage against those of the batch, as DPR's."""
    return InfoNCE(_TEMPERATURE)


def of_questions() -> Objective:
    """Each question's paraphrase against all further questions of the batch."""
    return InfoNCE(_TEMPERATURE, relation=Relation(positive=_PARAPHRASE, negative=mined & ~_PARAPHRASE))


def both() -> Objective:
    """The first, to which further questions are nothing, and 0.5 of the second."""
    return InfoNCE(_TEMPERATURE, relation=Relation(ignored=mined)) + _WEIGHT * of_questions()


def with_edits_to_come(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: the data as they are; refused at once where the next stage would find no edits."""
    with_edits(data, encoder, seed)
    return data


def dpr_alone() -> Recipe:
    """No contrast between questions, on the same pairs."""
    return meq().varied("DPR", objective=of_passages, prepare=())


_SEEN = Richer(Trained(dpr_alone), SEEN_TITLES)


@system(
    "MEQ contrast sets",
    title="Exploring Contrast Consistency of Open-Domain Question Answering Systems on Minimally Edited Questions",
    year=2023,
    family="retrieval",
    mechanism="tests/systems/test_meq.py::test_loss_is_that_of_passages_and_half_of_that_of_questions",
    claims=(
        Claim(
            "A contrast between questions improves retrieval for those that differ from a training question by a word",
            _EDITED,
            "DPR's loss alone, same steps",
            EDITED_TITLES,
            Trained(dpr_alone),
            ceiling=_SEEN,
        ),
        Claim(
            "It is as good as without on other questions, within a hundredth",
            _OTHER,
            "DPR's loss alone, same steps",
            EDITED_TITLES,
            Trained(dpr_alone),
            ceiling=_SEEN,
            margin=0.01,
        ),
        Claim(
            "With it both of two questions that differ by a word find their own answer more often",
            consistent,
            "DPR's loss alone, same steps",
            EDITED_TITLES,
            Trained(dpr_alone),
            ceiling=1.0,
        ),
    ),
    signal=Signal(likeness_of_edits, off=Trained(dpr_alone)),
    sample=FEW_EDITED_TITLES,
    setup="Their MEQs are people's (AmbigQA) and a language model's, and those that they train on are of PAQ, with "
    "paraphrases; here both are found in the data: a title that has another word in one place is another's edit where "
    "it has another description, and a title without one of its other words stands for a paraphrase. Titles and "
    "descriptions of packages are questions and passages, and the contrast set is held-out titles that are a word "
    "apart from a training title. That such questions are harder than others is not asked of them: titles that have "
    "neighbours are of other packages than those that have none. They encode questions and passages by two towers and "
    "give each question a hard passage; here one encoder does both, and passages are those of the batch. Scores are "
    "cosines at a temperature of 0.05, theirs inner products; a question that is another's edit is no negative of "
    "itself. Both stages have a schedule of their own, theirs is one. Their other losses (a hinge, the bare product "
    "of a question and its edit) are left out: which is best depends on the measure in their README. Batches are of "
    "256, theirs of 64: in those of 64 words alone are as good as the baseline. The ceiling has the test's titles "
    "among its training titles. One in seven training titles has an edit, and batches are drawn as they come, where "
    "theirs are composed so that edits meet; nothing is added to what passages are learned from, where theirs gain "
    "from more questions, too. The system encodes more texts a step. A table of token vectors stands in for BERT.",
)
def meq() -> Recipe:
    """Zhang et al. 2023 and their code: the contrast between questions weighs 0.5, from the sixth epoch of 40 on."""
    train = TrainConfig(epochs=5, batch_size=64, learning_rate=1e-5, schedule="linear", clip=2.0)
    first = Stage(of_passages, train, prepare=(with_edits_to_come,))
    second = Stage(both, replace(train, epochs=35), prepare=(with_edits,))
    return Recipe("MEQ", (first, second), Takes("text", "text"))
