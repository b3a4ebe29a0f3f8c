"""DebCSE: positives that mean the same and read otherwise, negatives that read alike and mean something else."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.methods import Recipe
from counterpoint.negatives import against_propensity
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences._captions import on_captions
from counterpoint.systems.sentences.sarcse import rare_in_common
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Trained
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

NEAR, TEMPERATURE = 20, 0.1
"""Texts that are drawn among; of the draw."""


def by_meaning() -> Recipe:
    """Both are drawn by meaning alone, among the same texts."""
    step = against_propensity(NEAR, TEMPERATURE, surface=False)
    return debcse().varied("DebCSE, by meaning alone", prepare=(step,))


def twice() -> Recipe:
    """SimCSE, and SimCSE again."""
    return debcse().varied("SimCSE twice", prepare=())


@system(
    "DebCSE",
    title="DebCSE: Rethinking Unsupervised Contrastive Sentence Embedding Learning in the Debiasing Perspective",
    year=2023,
    family="sentences",
    mechanism="tests/systems/test_debcse.py::test_loss_is_that_of_a_naive_loop_over_what_was_drawn",
    claims=(
        on_captions("Pairs that are drawn against propensity improve on dropout", "SimCSE twice", Trained(twice)),
        on_captions(
            "It matters how texts read, not what they mean alone", "drawn by meaning alone", Trained(by_meaning)
        ),
        Claim(
            "They improve on dropout by what people say of pairs",
            spearman,
            "SimCSE twice",
            SENTENCES,
            Trained(twice),
            off=Trained(by_meaning),
            ceiling=CEILING,
        ),
    ),
    signal=Signal(rare_in_common, off=Trained(by_meaning)),
    sample=LIKENESS,
    setup="Of the paper the abstract and short summaries were read, and there is no code to read: no formula here is "
    "the authors'. Theirs, as told: biases come of simple rules for pairs; positives and negatives are selected by "
    "sampling with inverse propensity weights, by surface and by semantic similarity. Ours is all else: which of "
    "both is the propensity and which way it is divided by, that cosines of the encoder stand for meaning and the "
    "share of common words for surface, the exponentials of both at a temperature of 0.1, 20 candidates by the "
    "encoder for a positive and by BM25 for a negative, one of each, drawn once. Candidates are other texts of the "
    "data; theirs are not known to us. The loss is that of supervised SimCSE, with SimCSE's layer in training alone."
    " The first half of the steps is SimCSE, and what it ends with says what texts mean; the baseline has SimCSE in "
    "both halves. The rest is as SimCSE here, and captions of pictures stand in for STS in the first two claims: is "
    "the nearest of all captions one of the same picture? Few of the captions to train on have others of their "
    "picture among them: most positives are of another picture. What a text means is judged by no labels.",
)
def debcse() -> Recipe:
    """Miao et al. 2023 as their abstract tells it, after SimCSE: pairs by inverse propensity, with our own weights."""
    stage = simcse().stages[-1]
    drawn = replace(stage, prepare=(against_propensity(NEAR, TEMPERATURE),))
    return replace(simcse(), name="DebCSE", stages=(stage, drawn))
