"""InferSent: a classifier of pairs says what follows from what, and the encoder below it is kept."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.adapting import maximum, unscaled, without_dropout
from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import Logits
from counterpoint.procedures import PairFeatures, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences import distilcse, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import alignment_of_like
from counterpoint.testbeds.transfer import RELATED, VERDICTS, transfer
from counterpoint.testbeds.weak import shuffled
from counterpoint.training import TrainConfig

CLASSES, HIDDEN = 3, 512
"""Of pairs; of both hidden layers."""


def classifier(width: int) -> Procedure:
    """Three linear layers with nothing between them, on both vectors, their difference and their product."""
    sizes = (4 * width, HIDDEN, HIDDEN, CLASSES)
    return PairFeatures(nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes))))


def loss() -> Logits:
    """Cross-entropy."""
    return Logits(CLASSES)


def known_classes(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: pairs of more classes are refused."""
    del encoder, seed
    there = int(data.columns["label"].max()) + 1
    if there > CLASSES:
        raise InputError(f"{there} classes of pairs, and the classifier has {CLASSES}", fix="give pairs of three")
    return data


def pooled_by_max(encoder: nn.Module) -> nn.Module:
    """The greatest state of all words, as it is, and no dropout."""
    return as_it_is(maximum(encoder))


def as_it_is(encoder: nn.Module) -> nn.Module:
    """Vectors of any length, and no dropout."""
    return without_dropout(unscaled(encoder))


def pooled_by_mean() -> Recipe:
    """The start's own pooling."""
    return infersent().varied("InferSent, mean", adapt=as_it_is)


def shuffled_classes() -> Recipe:
    """Classes of other pairs."""
    return infersent().varied("InferSent, classes of others", prepare=(shuffled("label"),))


def unsupervised() -> Recipe:
    """SimCSE on all sentences of the pairs, of which nothing is known."""
    return simcse.simcse().varied(
        "SimCSE on the sentences", takes=Takes("text", "text"), prepare=(distilcse.sentences,)
    )


@system(
    "InferSent",
    title="Supervised Learning of Universal Sentence Representations from Natural Language Inference Data",
    year=2017,
    family="sentences",
    mechanism="tests/systems/test_infersent.py::test_loss_is_the_cross_entropy_of_a_naive_loop_over_pairs",
    claims=(
        Claim(
            "Inference pairs with their class teach how alike sentences are, and unlabelled sentences less",
            spearman,
            "SimCSE on the same sentences",
            VERDICTS,
            Trained(unsupervised),
            off=Trained(shuffled_classes),
            ceiling=simcse.CEILING,
        ),
        Claim(
            "They give better features for other tasks",
            transfer,
            "SimCSE on the same sentences",
            VERDICTS,
            Trained(unsupervised),
            off=Trained(shuffled_classes),
            ceiling=distilcse.CEILING,
        ),
        Claim(
            "The greatest state of each dimension is better than the mean",
            transfer,
            "the mean of all states",
            VERDICTS,
            Trained(pooled_by_mean),
            ceiling=distilcse.CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(shuffled_classes)),
    sample=RELATED,
    setup="The first layer of SmolLM2 stands in for a BiLSTM of 4,096 dimensions over GloVe, whose word vectors stay "
    "as here; pooling by the maximum, which is over a text's own tokens (their first model's is over padding, too), "
    "and the classifier are theirs: three linear layers without anything between them, no dropout. SNLI's development "
    "and test parts, 19,666 pairs, for its 550,000, and a budget of 200 steps. AdamW and a rate that falls as a cosine "
    "stand in for SGD at 0.1, which is divided by 5 where the development accuracy falls. SimCSE stands in for "
    "SkipThought, which needs ordered text: it sees the same sentences without classes. Three of their tasks, with 500 "
    "texts for a probe each. The ceiling is the same model trained on STS-B's judgements, or all-MiniLM-L6-v2 on other "
    "tasks.",
)
def infersent() -> Recipe:
    """Conneau et al. 2017 and their code: three-way cross-entropy on [u; v; |u - v|; u * v]."""
    train = TrainConfig(epochs=20, batch_size=64, learning_rate=1e-4, weight_decay=0.0, clip=5.0)
    stage = Stage(loss, train, procedure=classifier, prepare=(known_classes,))
    takes = Takes("text", "text", ("pairs",), ("label",))
    return Recipe("InferSent", (stage,), takes, adapt=pooled_by_max)
