"""LLaVE: every negative's logit is raised by alpha times its own cosine, without gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import InfoNCE, hardest, hardness
from counterpoint.systems import get
from counterpoint.systems.core.llave import infonce, unweighed, weighed
from counterpoint.systems.jobs import arms
from counterpoint.testbeds import Tuned
from systems.through import same
from systems.words import step_of_texts

TARGET = torch.arange(8)


def cosines(step):
    z = step.network(step.payload.inputs)
    return F.normalize(z[:8], dim=1) @ F.normalize(z[8:], dim=1).T


def both_ways(logits):
    return (F.cross_entropy(logits, TARGET) + F.cross_entropy(logits.T, TARGET)) / 2


def test_loss_is_cross_entropy_of_logits_raised_by_hardness():
    step = step_of_texts("llave")
    cosine = cosines(step)
    assert step.layers() == ["Identity"]
    # a fused kernel of sums knows no weights
    assert not step.objective.summed
    same(step, both_ways(50 * cosine + 9 * cosine.detach() * (1 - torch.eye(8))))


@pytest.mark.parametrize("temperature", [0.02, 1 / 59, 0.01])
def test_the_baseline_weighs_all_negatives_alike(temperature):
    step = step_of_texts(infonce(temperature))
    same(step, both_ways(cosines(step) / temperature))


def test_both_sides_choose_among_as_many_and_the_off_arm_has_the_same_temperature():
    found = arms(get("llave"), get("llave").claims[0])
    assert isinstance(found["system"], Tuned)
    assert isinstance(found["baseline"], Tuned)
    assert len(found["system"].values) == len(found["baseline"].values) == 3
    assert 9.0 in found["system"].values
    step = step_of_texts(unweighed())
    same(step, both_ways(50 * cosines(step)))
    step = step_of_texts(weighed(0.0))
    same(step, both_ways(50 * cosines(step)))


@pytest.mark.parametrize(("top", "kept"), [(2, 2), (0.5, 3), (1.0, 5)])
def test_the_hardest_are_the_nearest(top, kept):
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    q, k = F.normalize(z, dim=1), F.normalize(z.flip(1), dim=1)
    s = (q @ k.T / 0.1).tolist()
    total = 0.0
    for i in range(6):
        near = sorted((s[i][j] for j in range(6) if j != i), reverse=True)[:kept]
        total += math.log(1 + sum(math.exp(x - s[i][i]) for x in near))
    assert InfoNCE(0.1, reweight=hardest(top))(q, k).item() == pytest.approx(total / 6, rel=1e-9)


@pytest.mark.parametrize("make", [lambda: hardness(-1), lambda: hardest(0), lambda: hardest(1.5)])
def test_numbers_out_of_range_are_refused(make):
    with pytest.raises(InputError, match=r"give|must"):
        make()
