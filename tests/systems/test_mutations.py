"""A sample of `scripts/mutate.py`: what is taken out of a system, its own tests notice."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from torch import nn

from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE, Sum
from counterpoint.procedures import Chain, Predictor, Procedure, Queue
from counterpoint.systems import get
from counterpoint.systems.registry import REGISTRY

SPEC = importlib.util.spec_from_file_location("mutate", Path(__file__).parents[2] / "scripts" / "mutate.py")
mutate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutate)


def recipe():
    stage = Stage(
        lambda: Sum(InfoNCE(0.3, layout="views"), InfoNCE()),
        head=lambda width: nn.Linear(width, width),
        procedure=lambda width: Chain(Predictor(nn.Linear(width, width)), Queue(8, width)),
        view=lambda inputs: inputs + 1,
        views=3,
        prepare=(lambda data, encoder, seed: None,),
        interpolate=0.5,
        afresh=True,
        around=lambda encoder: encoder,
    )
    return Recipe("mine", (stage,), Takes("image"), prompts={"query": "q: "}, similarity="dot")


def test_everything_that_is_not_neutral_is_taken_out_once():
    found = dict(mutate.mutations(recipe()))
    assert list(found) == [
        "prompts", "similarity", "head", "view", "views beyond two", "interpolate", "afresh",
        "step 1 before training", "around", "procedure Predictor", "procedure Queue", "term InfoNCE",
        "InfoNCE.temperature", "InfoNCE.layout",
    ]  # fmt: skip
    assert found["prompts"].prompts == {}
    stages = {what: each.stages[0] for what, each in found.items()}
    assert isinstance(stages["head"].head(4), nn.Identity)
    assert stages["view"].view(1) == 1
    assert stages["step 1 before training"].prepare[0]("data", None, 0) == "data"
    parts = stages["procedure Queue"].procedure(4).procedures
    assert [type(part) for part in parts] == [Predictor, Procedure]
    assert stages["InfoNCE.temperature"].objective().objectives[0].temperature != 0.3
    # what the recipe itself makes is untouched
    assert recipe().stages[0].objective().objectives[0].temperature == 0.3


def test_the_ledger_has_it_for_a_while():
    before, other = get("simclr").method().name, recipe()
    with mutate.standing_in("simclr", other):
        assert get("SimCLR").method() is other
    assert get("simclr").method().name == before
    assert REGISTRY.systems["simclr"].method().name == before


@pytest.mark.parametrize(
    "name", ["simclr", *(pytest.param(name, marks=pytest.mark.slow) for name in ("swav", "ecaml"))]
)
def test_a_system_s_own_tests_notice(name):
    missed, unseen, tried = mutate.survivors(get(name), say=lambda said: None)
    assert tried >= 2
    assert missed == unseen == []
