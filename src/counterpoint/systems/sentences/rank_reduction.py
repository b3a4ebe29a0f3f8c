"""Rank reduction: SimCSE and its like, whose vectors are to use fewer directions."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.methods import Recipe
from counterpoint.objectives import EffectiveRank, InfoNCE, Objective
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.systems.sentences.esimcse import esimcse
from counterpoint.systems.sentences.simcse import CEILING, simcse
from counterpoint.testbeds import Made, Testbed, Trained
from counterpoint.testbeds.figures import representation_rank, spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES

WEIGHT, MARKS, PAIRS = 0.1, 20, 500
"""Of the logarithm of the rank; how often, and on how many test pairs, training is looked at."""


def loss() -> Objective:
    """SimCSE's, and the logarithm of the rank of what it sees."""
    return InfoNCE(0.05) + WEIGHT * EffectiveRank()


def rank_reduction() -> Recipe:
    """Jung et al. 2024: SimCSE with the logarithm of the effective rank added to the loss."""
    return simcse().varied("SimCSE, rank reduced", objective=loss)


def reduced_esimcse() -> Recipe:
    """ESimCSE likewise."""
    return esimcse().varied("ESimCSE, rank reduced", objective=loss)


def phases(bed: Testbed, seed: int) -> Mapping[str, float]:
    """Of SimCSE's training, after which share the likeness of test pairs was best, and after which the rank."""
    recipe = bed.settled(simcse()).changed(validations=MARKS)
    train, test = bed.parts(seed)
    assert isinstance(test, Data)  # scored pairs
    encoder = recipe.started(train, seed)
    assert isinstance(encoder, TransformerEncoder)
    made = Made("SimCSE", encoder, (train, test[torch.arange(min(PAIRS, len(test)))]), seed)

    def figures() -> dict[str, float]:
        return {"likeness": spearman.of(made), "rank": representation_rank.of(made)}

    rows = [row for row in recipe.make(train, seed, encoder=encoder, validate=figures)[1].history if "rank" in row]
    best = {name: max(rows, key=lambda row: row[name])["step"] / rows[-1]["steps"] for name in ("likeness", "rank")}
    return {"system": best["likeness"], "baseline": best["rank"]}


def on_sentences(seed: int) -> Mapping[str, float]:
    """The phases of SimCSE's training on sentences."""
    return phases(SENTENCES, seed)


system(
    "Rank reduction",
    title="Unveiling Key Aspects of Fine-Tuning in Sentence Embeddings: A Representation Rank Analysis",
    year=2024,
    family="sentences",
    mechanism="tests/systems/test_rank_reduction.py::test_loss_is_simcse_s_and_the_entropy_of_the_spectrum",
    variants={"ESimCSE, rank reduced": reduced_esimcse},
    claims=(
        Claim("A lower rank improves SimCSE", spearman, "SimCSE", SENTENCES, Trained(simcse), ceiling=CEILING),
        Claim(
            "And ESimCSE",
            spearman,
            "ESimCSE",
            SENTENCES,
            Trained(esimcse),
            system=Trained(reduced_esimcse),
            ceiling=CEILING,
        ),
        Claim(
            "Without it likeness is best after the rank's peak, not before",
            "share of SimCSE's training",
            "where the rank is highest",
            check=on_sentences,
        ),
    ),
    signal=Signal(representation_rank, off=Trained(simcse)),
    sample=LIKENESS,
    setup=f"As SimCSE here, and ESimCSE; the paper has five methods. How it weighs the rank is not known here, nor "
    f"which vectors it is of; it is {WEIGHT} times that of those which the loss compares, the mean over both views. "
    "The rank is that of eigenvalues of unit vectors, as in earlier code of the same authors; of a batch of 64 it is "
    f"64 at most. The phases of training are told by {MARKS} looks at {PAIRS} test pairs, rank and likeness of the "
    "same vectors, before the head. That results differ less from seed to seed is read off the arms, and not judged.",
)(rank_reduction)
