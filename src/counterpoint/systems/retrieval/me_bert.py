"""ME-BERT: a document as a few vectors, of which the best counts; a query as one."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import EachVector
from counterpoint.encoders.wrapping import first_vectors
from counterpoint.geometry import MaxSim
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.negatives import lexical, mine
from counterpoint.negatives.mining import with_negatives
from counterpoint.negatives.rules import uniform
from counterpoint.objectives import InfoNCE
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Untrained
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.late import beyond_the_first
from counterpoint.testbeds.lexical import LEXICAL
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT, SMALL_TITLES
from counterpoint.training import TrainConfig

CANDIDATES, DEPTH = 20, 1000
"""Of a question, positives among them; how deep BM25's are drawn from."""


def candidates(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: half of a question's wrong candidates are drawn from BM25's first, half from all."""
    del encoder
    assert data.others is not None
    assert data.positives is not None
    half = (CANDIDATES - 1) // 2
    drawn = np.random.default_rng(seed).integers(len(data.others), size=(len(data), CANDIDATES - 1 - half))
    right = (drawn[..., None] == data.positives.numpy()[:, None]).any(-1)
    mined = mine(data, [lexical(list(data.others.texts))], half, depth=DEPTH, draw=uniform, seed=seed)
    return with_negatives(mined, [np.where(right, -1, drawn)])


def dropped(width: int) -> nn.Module:
    """A tenth of the vectors' values, in training."""
    del width
    return nn.Dropout(0.1)


def vectors(most: int) -> Recipe:
    """With so many a document."""
    train = TrainConfig(epochs=10, batch_size=32, learning_rate=5e-6, schedule="linear", warmup=0.1)
    loss = partial(InfoNCE, 1.0, geometry=MaxSim())
    stage = Stage(loss, train, head=dropped, prepare=(candidates,), around=EachVector)
    name, adapt = "ME-BERT" if most > 1 else "DE-BERT", partial(first_vectors, most=most)
    return Recipe(name, (stage,), Takes("text", "text"), similarity="dot", adapt=adapt)


def one_vector() -> Recipe:
    """A dual encoder: a document is one vector, too."""
    return vectors(1)


_CEILING = Richer(Trained(one_vector), LONGER_SCIFACT)


def me_bert() -> Recipe:
    """Luan et al. 2021 and the command of their code: 3 vectors, batch 32, 20 candidates, 5e-6, 10 epochs."""
    return vectors(3)


system(
    "ME-BERT",
    title="Sparse, Dense, and Attentional Representations for Text Retrieval",
    year=2020,
    family="retrieval",
    mechanism="tests/systems/test_me_bert.py::test_loss_is_that_of_a_naive_loop_over_vectors_of_all_candidates",
    claims=(
        Claim(
            "A few vectors a document find more than one, with everything else the same",
            found("mrr@10"),
            "one vector a document, same candidates and steps",
            SCIFACT,
            Trained(one_vector),
            ceiling=_CEILING,
        ),
        Claim(
            "It finds more than BM25",
            found("mrr@10"),
            "BM25",
            SCIFACT,
            LEXICAL,
            off=Trained(one_vector),
            ceiling=_CEILING,
            floors=("untrained",),
        ),
    ),
    signal=Signal(beyond_the_first, off=Untrained(me_bert)),
    sample=SMALL_TITLES,
    setup="Claims of SciFact stand in for questions, its abstracts for passages. A table of token vectors stands in "
    "for BERT-large; its tokens know nothing of each other, so a document's three vectors are the means of the "
    "thirds of its text and a claim's one is its mean: of a transformer, the method takes the states of the first "
    "three tokens and of the first. Vectors pass the layer normalisation of the authors' command, and a tenth of "
    "their values is dropped in training. All twenty candidates of all questions are compared; where a question has "
    "several answers, the loss is their mean, where the authors' code sums them. What fills up a text of fewer "
    "vectors is no match, where their code lets it count as 0. Copies of an answer are left out. The hybrids with "
    "sparse vectors, whose weight is tuned, the round of negatives that the model mines itself, and the theory of "
    "random projections are not here. The ceiling is one vector a document with the test's claims among its training "
    "claims.",
)(me_bert)
