"""LLaVE: negatives weigh the more the harder the model itself finds them."""

from __future__ import annotations

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, hardness
from counterpoint.systems.registry import Claim, Signal, system
from counterpoint.testbeds import Richer, Trained, Tuned
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import LONGER_TITLES, SMALL_TITLES, TITLES, nearest_wrong
from counterpoint.training import TrainConfig

_TEMPERATURE = 0.02
_ALPHAS = (3.0, 9.0, 20.0)
_TEMPERATURES = (_TEMPERATURE, 1 / (1 / _TEMPERATURE + 9), 0.01)
"""That of the authors; the one of logits that are as steep as theirs raised by 9 cosines, 1/59; and half of it."""


def weighed(alpha: float) -> Recipe:
    """InfoNCE both ways whose negatives weigh `exp(alpha cos)`, without gradient."""
    train = TrainConfig(epochs=1, batch_size=256, learning_rate=1e-5)
    stage = Stage(lambda: InfoNCE(_TEMPERATURE, layout="symmetric", reweight=hardness(alpha)), train)
    return Recipe("LLaVE", (stage,), Takes("text", "text"))


def infonce(temperature: float) -> Recipe:
    """All negatives weigh the same."""
    return weighed(9.0).varied("InfoNCE", objective=lambda: InfoNCE(temperature, layout="symmetric"))


def unweighed() -> Recipe:
    """At the authors' temperature."""
    return infonce(_TEMPERATURE)


_CEILING = Richer(Trained(unweighed), LONGER_TITLES)


@system(
    "LLaVE",
    title="LLaVE: Large Language and Vision Embedding Models with Hardness-Weighted Contrastive Learning",
    year=2025,
    family="core",
    mechanism="tests/systems/test_llave.py::test_loss_is_cross_entropy_of_logits_raised_by_hardness",
    claims=(
        Claim(
            "Weighing negatives by their hardness improves retrieval",
            found("mrr@10"),
            "InfoNCE at the best of three temperatures, one of them as steep (the best of three weights)",
            TITLES,
            Tuned(infonce, _TEMPERATURES),
            system=Tuned(weighed, _ALPHAS),
            off=Trained(unweighed),
            ceiling=_CEILING,
        ),
        Claim(
            "At the authors' temperature and weight, too",
            found("mrr@10"),
            "InfoNCE, same temperature and steps",
            TITLES,
            Trained(unweighed),
            ceiling=_CEILING,
        ),
    ),
    signal=Signal(nearest_wrong, off=Trained(unweighed)),
    sample=SMALL_TITLES,
    setup="Titles and descriptions stand in for pictures with texts and instructions, a table of token vectors from "
    "scratch for a language and vision model of 0.5 to 7 billion weights, trained as a whole without a head, as here. "
    "Batches of 256 on one machine: the paper gathers small ones from many. The weight has no gradient, yet steepens "
    "the softmax as a lower temperature does (50 cosines raised by 9 more), so the baseline chooses its temperature. "
    "The ceiling is InfoNCE for four times the steps in batches four times as large.",
)
def llave() -> Recipe:
    """Lan et al. 2025, section 3.2: both ways, temperature 0.02, alpha 9 (their training script)."""
    return weighed(9.0)
