"""The fixed reweighting head, and what linear layers before and after a learned head hold."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems.core import projection_head
from counterpoint.systems.core._digits import as_rows
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def test_loss_is_that_of_a_naive_loop_over_reweighted_views():
    torch.manual_seed(0)
    config, model, n = stage("projection-head-theory"), ImageEncoder(widths=(8, 16)), 6
    payload = RowBatches(as_rows(digits()), model, view=config.view).payload(torch.arange(n))
    h = model(payload.inputs).detach()
    loss = config.objective()(**payload.arguments(config.head(16)(h)))
    z = [[float(h[i, d]) / 1.05**d for d in range(16)] for i in range(2 * n)]
    total = 0.0
    for i in range(2 * n):
        s = [F.cosine_similarity(torch.tensor(z[i]), torch.tensor(z[k]), dim=0).item() / 0.5 for k in range(2 * n)]
        total += math.log(sum(math.exp(s[k]) for k in range(2 * n) if k != i)) - s[(i + n) % (2 * n)]
    assert loss.item() == pytest.approx(total / (2 * n), rel=1e-4)


def test_the_head_learns_nothing():
    assert not list(stage("projection-head-theory").head(16).parameters())


def test_linear_layers_learn_the_minimiser_and_weigh_it_more_evenly_before_the_head():
    """After it a feature of strength 1 has the weight (1 - 2 flip) / (1 + noise^2)."""
    model, flips = projection_head.two_layers(0), torch.tensor(projection_head._FLIPS)
    unit = torch.eye(40)[:4]
    with torch.inference_mode():
        before, after = model[:1](unit).norm(dim=1), model(unit).norm(dim=1)
    wanted = (1 - 2 * flips) / (1 + 0.5**2)
    assert after == pytest.approx(wanted, abs=0.06)
    assert projection_head.unevenness(model) == pytest.approx(float(after.max() / after.min()))
    assert projection_head.unevenness(model[:1]) < projection_head.unevenness(model)
    assert before.min() > after.max() * 0.6
