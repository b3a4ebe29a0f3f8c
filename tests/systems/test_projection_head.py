"""The fixed reweighting head, and what linear layers before and after a learned head hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems.core.projection_head import no_head, reweighted, two_layers
from counterpoint.testbeds import DIGITS, Trained
from counterpoint.testbeds.figures import projection
from counterpoint.testbeds.synthetic import EQUAL_FEATURES, FLIPS, NOISE, unevenness
from systems.through import same, step_of


def test_loss_is_that_of_a_naive_loop_over_reweighted_views():
    torch.manual_seed(0)
    step = step_of("projection-head-theory")
    h = step.network[0](step.payload.inputs)
    z = torch.stack([torch.stack([row[d] / 1.05**d for d in range(h.shape[1])]) for row in h])
    n, total = len(z) // 2, torch.zeros(())
    for i in range(2 * n):
        s = [F.cosine_similarity(z[i], z[k], dim=0) / 0.5 for k in range(2 * n)]
        others = torch.stack([s[k] for k in range(2 * n) if k != i])
        total = total + torch.logsumexp(others, 0) - s[(i + n) % (2 * n)]
    same(step, total / (2 * n))
    assert not torch.equal(*step.views())


def test_the_head_learns_nothing():
    assert not list(step_of("projection-head-theory").network[1].parameters())
    assert step_of(no_head(), DIGITS.parts(0)[0]).layers() == ["Identity"]


def test_what_is_chosen_is_kappa_and_the_temperature():
    assert reweighted(1.02).stages[0].head(3).weights.tolist() == pytest.approx([1, 1 / 1.02, 1 / 1.02**2])
    assert no_head(0.2).stages[0].objective().temperature == 0.2


def test_linear_layers_learn_the_minimiser_and_weigh_it_more_evenly_before_the_head():
    """After it a feature of strength 1 has the weight (1 - 2 flip) / (1 + noise^2)."""
    bed = replace(EQUAL_FEATURES, steps=700)
    made = Trained(two_layers).made(bed, bed.parts(0), 0)
    unit = torch.eye(40)[:4]
    with torch.inference_mode():
        before = made.encoder(unit)
        after = made.head(before).norm(dim=1)
    wanted = (1 - 2 * torch.tensor(FLIPS)) / (1 + NOISE**2)
    assert after == pytest.approx(wanted, abs=0.06)
    assert unevenness().of(made) == pytest.approx(float(wanted.max() / wanted.min()) ** 0.5, rel=0.15)
    assert unevenness(projection).of(made) == pytest.approx(float(wanted.max() / wanted.min()), rel=0.15)
