"""DSE: two vectors and what a small network makes of them are to say what a cross-encoder says of both texts."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import unscaled
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives.prepare import read_by_teacher, teacher_of_pairs
from counterpoint.objectives import Objective, PointRegression
from counterpoint.procedures import PairFeatures, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Given, Parts, Trained
from counterpoint.testbeds.texts import table
from counterpoint.testbeds.told_apart import FEW_TOLD_APART, TOLD_APART, ReadTogether, right, spread_of_logits
from counterpoint.training import TrainConfig

HIDDEN, TAUGHT, LOST = 512, 0.5, 0.046
"""Of the network; the teacher's share of the loss; of the teacher's figure, by which the student is worse."""
TEACHING = TrainConfig(epochs=3, batch_size=32, learning_rate=2e-5, weight_decay=0.01, warmup=0.1, schedule="linear")


def whether() -> PointRegression:
    """Binary cross-entropy: whether a pair is one."""
    return PointRegression("score", F.binary_cross_entropy_with_logits)


def how_much() -> PointRegression:
    """The squared error: how much alike a pair is."""
    return PointRegression("score")


def mixed(share: float = TAUGHT, *, graded: bool = False) -> Objective:
    """What people say, and by this share the square of how far a logit is from the teacher's."""
    labels = how_much() if graded else whether()
    return (1 - share) * labels + share * PointRegression("teacher")


def compatibility(width: int) -> Procedure:
    """One logit of both vectors, their difference and their product, by a hidden layer."""
    return PairFeatures(nn.Sequential(nn.Linear(4 * width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)))


def known(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: pairs that are neither right nor wrong are refused."""
    del encoder, seed
    score = data.columns["score"]
    if not bool(((score == 0) | (score == 1)).all()):
        raise InputError("scores are other than 0 and 1", fix="give such, or train 'DSE regression' on grades")
    return data


def dse() -> Recipe:
    """Barkan et al. 2020 and their code: half of the loss the labels', half the squared error of logits."""
    train = TrainConfig(epochs=5, batch_size=32, learning_rate=2e-5, weight_decay=0.01, warmup=0.1, schedule="linear")
    prepare = (known, read_by_teacher(whether, TEACHING))
    stage = Stage(mixed, train, procedure=compatibility, prepare=prepare)
    return Recipe("DSE", (stage,), Takes("text", "text", ("scored",)), adapt=unscaled)


def regression() -> Recipe:
    """Of grades, as of STS-B: labels and teacher by the squared error."""
    prepare = (read_by_teacher(how_much, TEACHING),)
    return dse().varied("DSE regression", objective=partial(mixed, graded=True), prepare=prepare)


def labels_alone() -> Recipe:
    """Nobody teaches."""
    return dse().varied("siamese network", objective=whether, prepare=(known,))


def teacher_alone() -> Recipe:
    """What the teacher says, and no labels."""
    return dse().varied("DSE, teacher alone", objective=partial(mixed, 1.0))


def _reads(parts: Parts) -> ReadTogether:
    """It, from a start of its own for whatever seed."""
    return ReadTogether(teacher_of_pairs(parts[0], table(parts[0], 0), whether(), TEACHING))


TEACHER = Given("cross-encoder", _reads)

system(
    "DSE",
    title="Scalable Attentive Sentence-Pair Modeling via Distilled Sentence Embedding",
    year=2019,
    family="retrieval",
    mechanism="tests/systems/test_dse.py::test_loss_is_half_of_labels_and_half_of_what_the_teacher_says",
    variants={"DSE regression": regression},
    claims=(
        Claim(
            "Two vectors tell more pairs apart if a network on them learns from a cross-encoder, too, and not from "
            "labels alone",
            right,
            "labels alone, same steps",
            TOLD_APART,
            Trained(labels_alone),
            ceiling=TEACHER,
        ),
        Claim(
            "They are nearly as good as the cross-encoder itself",
            right,
            f"the cross-encoder, {LOST:.1%} of whose accuracy (0.035 of about 0.75) may be lost",
            TOLD_APART,
            TEACHER,
            off=Trained(labels_alone),
            margin=0.035,
        ),
        Claim(
            "Labels beside what the teacher says are better than that alone",
            right,
            "the teacher alone, same steps",
            TOLD_APART,
            Trained(teacher_alone),
            ceiling=TEACHER,
        ),
    ),
    signal=Signal(spread_of_logits, off=Trained(labels_alone)),
    sample=FEW_TOLD_APART,
    setup="Titles and descriptions of packages stand in for five tasks of GLUE, of which these pairs are most like "
    "QNLI's: is this the title's own description, or that of another, which BM25 takes for it? A small cross-encoder, "
    "kernels on the cosines of every two tokens, and one table of token vectors, of which the teacher begins as a "
    "copy, stand in for BERT-large; the cross-encoder is trained as theirs, 3 passes in batches of 32, at a rate of "
    "0.01. The student's vector is the mean of its tokens: of a transformer, the states of the last layer, where "
    "theirs are those of the last four side by side without the first token. AdamW stands in for BertAdam. Classes "
    "other than two (MNLI) are not here; grades are a variant. That labels help beside the teacher is our reading of "
    "a loss that is half theirs: of the paper its abstract was read, and of their code the loss, the features and the "
    'constants. What is allowed for "nearly as good" is the abstract\'s average loss, of an accuracy of 0.75.',
)(dse)
