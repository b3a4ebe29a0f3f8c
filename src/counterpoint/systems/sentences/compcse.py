"""CompCSE: a sentence's positive is put together of the vectors of its two halves."""

from __future__ import annotations

from torch import nn

from counterpoint.heads import projection
from counterpoint.methods import Recipe
from counterpoint.procedures import Composed, Procedure
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, alignment_of_like
from counterpoint.views.texts import parts

SHARE = 3
"""One in so many dimensions takes part in the loss: 256 of 768."""


def narrow(width: int) -> nn.Module:
    """SimCSE's layer and tanh, of which the loss sees a third."""
    return projection(width, out=max(1, width // SHARE), last=nn.Tanh)


def averaged(width: int) -> Procedure:
    """The mean of both halves, then the layer; of the sentence the layer alone."""
    return Composed(2, "mean", then=narrow(width))


def joined(width: int) -> Procedure:
    """The first half of the dimensions from the first part, the rest from the second."""
    return Composed(2, "halves", then=narrow(width))


def compcse() -> Recipe:
    """Chanchani and Huang 2023, section 3: the mean of two phrases' [CLS] against the sentence's, few dimensions."""
    return simcse().varied("CompCSE", prepare=(parts(),), head=None, procedure=averaged)


def by_halves() -> Recipe:
    """What is best for RoBERTa there."""
    return compcse().varied("CompCSE, halves of dimensions", procedure=joined)


def few_dimensions() -> Recipe:
    """SimCSE whose loss sees as few."""
    return simcse().varied("SimCSE, a third of the dimensions", head=narrow)


system(
    "CompCSE",
    title="Composition-contrastive Learning for Sentence Embeddings",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_compcse.py::test_loss_is_that_of_a_naive_loop_over_composed_halves",
    variants={"CompCSE, halves of dimensions": by_halves},
    claims=(
        Claim(
            "Composed phrases are better positives than the sentence again",
            spearman,
            "SimCSE",
            SENTENCES,
            Trained(simcse),
            off=Trained(few_dimensions),
            ceiling=CEILING,
        ),
        Claim(
            "It is not the few dimensions that do it",
            spearman,
            "SimCSE in as few dimensions",
            SENTENCES,
            Trained(few_dimensions),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(alignment_of_like, off=Trained(few_dimensions)),
    sample=LIKENESS,
    setup="As SimCSE here. Sentences are cut in the middle, where the authors take phrases of a discourse parser; "
    "those of one word are left out. The loss sees a third of the dimensions, as their 256 of 768.",
)(compcse)
