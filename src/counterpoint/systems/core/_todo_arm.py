"""ARM: the encoder's own similarity of the documents says by how much the right one must win."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from counterpoint.geometry import Cosine
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import AdaptiveMargin, Objective, Triplet
from counterpoint.systems._corpus import TABLE, mrr, pairs, ranked, run_with_fit, table, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig

_STEPS = 600


@cache
def _reciprocal_rank(adaptive: bool, seed: int) -> float:
    recipe = arm() if adaptive else _static()
    encoder = trained(recipe, table(seed), pairs(), steps=_STEPS, seed=seed, **TABLE)
    return mrr(ranked(encoder))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    return ((_reciprocal_rank(True, seed), _reciprocal_rank(False, seed)),), {}


def _included(method: Recipe, output: Path, say: Say) -> Figures:
    del method, output
    say(f"a table of token vectors, {_STEPS:,} steps on {len(pairs()):,} titles and descriptions, twice")
    return {"ARM: MRR@10": _reciprocal_rank(True, 0), "static margin: MRR@10": _reciprocal_rank(False, 0)}


def _recipe(name: str, objective: type[Objective] | None = None) -> Recipe:
    make = objective or (lambda: Triplet(0.5, geometry=Cosine()))
    stage = Stage(make, TrainConfig(epochs=1, batch_size=128, learning_rate=1e-5))
    return Recipe(name, (stage,), Takes("text", "text"))


def _static() -> Recipe:
    return _recipe("static margin")


@system(
    "ARM",
    title="Learning Effective Representations for Retrieval Using Self-Distillation with Adaptive Relevance Margins",
    year=2024,
    family="core",
    mechanism="tests/systems/test_arm.py::test_loss_is_the_squared_error_of_margins_by_hand",
    run=run_with_fit(_included),
    claims=(
        Claim("A margin that follows the similarity beats a fixed one", "MRR@10", "a static margin of 0.5, same steps"),
    ),
    measure=_measure,
    setup="Included corpus: 1,500 held-out titles against 39,000 descriptions; a table of token vectors (20,000 x 256) "
    f"from scratch stands in for a pretrained encoder, whose similarities the method relies on; {_STEPS} steps of 128 "
    "pairs, in-batch negatives.",
)
def arm() -> Recipe:
    """Gienapp et al. 2024: adaptive targets, in-batch, squared error."""
    return _recipe("ARM", AdaptiveMargin)
