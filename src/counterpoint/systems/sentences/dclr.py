"""DCLR: negatives that a guide finds near do not count, and moved noise is among them."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.methods.teachers import own_vectors
from counterpoint.objectives import Decoupled, InfoNCE, Objective
from counterpoint.procedures import NoiseNegatives, Procedure
from counterpoint.relation import Relation, near, same
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import on_captions
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman, uniform
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

TEMPERATURE, NEAR = 0.05, 0.9
"""Of the loss; the guide's cosine from which a negative does not count, of BERT."""


def loss() -> Objective:
    """A sentence's own positive against all that the guide does not find near it."""
    return Decoupled(TEMPERATURE, layout="one-way", relation=Relation(ignored=near("guide", NEAR) & ~same("sample")))


def moved_noise(_width: int) -> Procedure:
    """As many as sentences, moved four times."""
    return NoiseNegatives()


def still_noise(_width: int) -> Procedure:
    """As many, where they are drawn."""
    return NoiseNegatives(steps=0)


def all_alike() -> Recipe:
    """Every negative counts."""
    return dclr().varied("DCLR, all negatives", objective=lambda: Decoupled(TEMPERATURE, layout="one-way"), prepare=())


def without_noise() -> Recipe:
    """No noise."""
    return dclr().varied("DCLR without noise", procedure=None)


def random_noise() -> Recipe:
    """Noise that is not moved."""
    return dclr().varied("DCLR, random noise", procedure=still_noise)


def twice() -> Recipe:
    """SimCSE, and SimCSE again."""
    return dclr().varied("SimCSE twice", objective=lambda: InfoNCE(TEMPERATURE), procedure=None, prepare=())


@system(
    "DCLR",
    title="Debiased Contrastive Learning of Unsupervised Sentence Representations",
    year=2022,
    family="sentences",
    mechanism="tests/systems/test_dclr.py::test_loss_is_that_of_a_naive_loop_over_weighted_negatives_and_noise",
    claims=(
        on_captions("Weights and noise improve on dropout alone", "SimCSE twice", Trained(twice)),
        on_captions("Negatives that the guide finds near are better left out", "all negatives", Trained(all_alike)),
        on_captions("Noise among the negatives is better than none", "without noise", Trained(without_noise)),
        on_captions("Moved noise is better than random noise", "noise as it is drawn", Trained(random_noise)),
        Claim(
            "They improve on dropout alone by what people say of pairs",
            spearman,
            "SimCSE twice",
            SENTENCES,
            Trained(twice),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(uniform, off=Trained(twice)),
    sample=LIKENESS,
    setup="As SimCSE here, and captions of pictures in place of STS in the first four claims: is the nearest of all "
    "captions one of the same picture? The first half of the steps is SimCSE, and what it ends with is the guide "
    "of the second half, which goes on from it, as in the paper where the model is large; where it is small the "
    "paper begins anew, with a SimCSE that was trained before for a guide. The baseline has SimCSE in both "
    "halves. The loss is the paper's: weights are 0 or 1 and stand before each negative's term, and the positive "
    "is not among the terms. The authors' code multiplies a negative's score by its weight, so that one of weight "
    "0 counts as a cosine of 0, has the positive in the denominator, and takes the binary cross-entropy of all "
    "probabilities. Noise is as in their code: as many vectors as sentences, for the whole batch, of deviation 1, "
    "moved by four steps of 0.001, which turn so long a vector hardly at all. It is moved by the paper's loss, of "
    "noise alone. The guide is without dropout, which their code leaves on.",
)
def dclr() -> Recipe:
    """Zhou et al. 2022, section 4, after SimCSE; noise as in their code."""
    train = replace(simcse().stages[-1].train, batch_size=128, learning_rate=3e-5)
    stage = replace(simcse().stages[-1], train=train)
    debiased = replace(stage, objective=loss, procedure=moved_noise, prepare=(own_vectors("guide"),))
    return replace(simcse(), name="DCLR", stages=(stage, debiased))
