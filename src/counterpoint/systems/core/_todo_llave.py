"""LLaVE: negatives weigh the more the harder the model itself finds them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, hardness
from counterpoint.systems._corpus import TABLE, mrr, pairs, ranked, run_with_fit, table, trained
from counterpoint.systems.registry import Claim, Figures, Pair, Say, system
from counterpoint.training import TrainConfig

_STEPS = 600


@cache
def _reciprocal_rank(alpha: float, seed: int) -> float:
    encoder = trained(_at(alpha), table(seed), pairs(), steps=_STEPS, seed=seed, **TABLE)
    return mrr(ranked(encoder))


def _measure(seed: int) -> tuple[tuple[Pair, ...], Figures]:
    return ((_reciprocal_rank(9.0, seed), _reciprocal_rank(0.0, seed)),), {}


def _included(method: Recipe, output: Path, say: Say) -> Figures:
    del method, output
    say(f"a table of token vectors, {_STEPS:,} steps on {len(pairs()):,} titles and descriptions, twice")
    return {"LLaVE: MRR@10": _reciprocal_rank(9.0, 0), "InfoNCE: MRR@10": _reciprocal_rank(0.0, 0)}


def _at(alpha: float) -> Recipe:
    train = TrainConfig(epochs=1, batch_size=256, learning_rate=1e-5)
    stage = Stage(lambda: InfoNCE(0.02, layout="symmetric", reweight=hardness(alpha)), train)
    return Recipe("LLaVE", (stage,), Takes("text", "text"))


@system(
    "LLaVE",
    title="LLaVE: Large Language and Vision Embedding Models with Hardness-Weighted Contrastive Learning",
    year=2025,
    family="core",
    mechanism="tests/systems/test_llave.py::test_loss_is_cross_entropy_of_logits_raised_by_hardness",
    run=run_with_fit(_included),
    claims=(
        Claim(
            "Weighing negatives by their hardness improves retrieval", "MRR@10", "InfoNCE, same temperature and steps"
        ),
    ),
    measure=_measure,
    setup="Included corpus: 1,500 held-out titles against 39,000 descriptions; a table of token vectors (20,000 x 256) "
    f"from scratch stands in for a language and vision model, {_STEPS} steps of 256 pairs at temperature 0.02.",
)
def llave() -> Recipe:
    """Lan et al. 2025, section 3.2: both ways, temperature 0.02, alpha 9 (their training script)."""
    return _at(9.0)
