"""SimSiam: predictions of one view against the other, stopped; no gradient reaches the target."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems.core._digits import as_rows, halves, trained
from counterpoint.systems.core._recipes import perceptron
from counterpoint.systems.core._versus import deviation
from counterpoint.systems.core.simclr import plain
from counterpoint.systems.core.simsiam import no_stop, simsiam
from counterpoint.training._processes import Processes
from counterpoint.training.loop import _backward
from counterpoint.training.rows import RowBatches
from systems.views_of_digits import calls_of


def quickly(recipe):
    """Spread of the projection after a few steps of a small network, and what training said at the end."""
    train = replace(recipe.stages[0].train, batch_size=64, steps=30)
    model, head = trained(recipe.varied("quick", train=train, start=perceptron), halves(0)[0], 0)
    return deviation(model, head, halves(0)), model.collapsed


def test_loss_is_the_negative_cosine_with_stopped_targets():
    config, calls, arguments = calls_of("simsiam")
    torch.manual_seed(0)
    z = arguments["queries"].z, arguments["keys"].z
    assert [call["keys"].z.requires_grad for call in calls] == [False, False]
    p = [call["queries"].z for call in calls]
    assert not torch.allclose(p[0], z[0])
    wanted = -(F.cosine_similarity(p[0], z[1].detach()).mean() + F.cosine_similarity(p[1], z[0].detach()).mean()) / 2
    found = sum(config.objective()(**call) for call in calls) / 2
    assert found.item() == pytest.approx(2 + 2 * wanted.item(), rel=1e-5)


def test_predictor_has_a_bottleneck_and_the_head_three_layers_all_but_the_last_with_batch_norm():
    config, _, _ = calls_of("simsiam")
    widths = [m.out_features for m in config.procedure(64).modules() if isinstance(m, torch.nn.Linear)]
    assert widths == [16, 64]
    names = [type(m).__name__ for m in config.head(64)[0]]
    assert names == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear", "BatchNorm1d"]
    assert config.head(64)[0][-1].weight is None


def test_training_spreads_the_vectors_which_collapse_without_batch_statistics():
    without = simsiam().varied("plain", head=plain().stages[0].head)
    (spread, fine), (narrow, said) = map(quickly, (simsiam(), without))
    assert (spread > 0.7, fine) == (True, "")
    assert narrow < 0.3
    assert said == "" or said.startswith("complete collapse")


def test_without_the_stopped_gradient_both_sides_follow():
    z = [torch.randn(4, 8, requires_grad=True) for _ in range(2)]
    both = no_stop().stages[0].procedure(8)([{"queries": z[0], "keys": z[1]}], lambda model: {})
    assert [call["keys"].z.requires_grad for call in both] == [True, True]


def test_each_view_has_batch_statistics_of_its_own():
    """In the loop's own step, the vectors of each view have mean 0 and variance 1 in every dimension."""
    config, images = simsiam().stages[0], halves(0)[0]
    torch.manual_seed(0)
    encoder, head = ImageEncoder(widths=(8, 64)), config.head(64)
    payload = RowBatches(as_rows(images), encoder, view=config.view).payload(torch.arange(32))
    network = torch.nn.Sequential(encoder, head)
    _, seen = _backward(network, None, config.objective(), payload, config.train, nullcontext, Processes())
    for side in ("queries", "keys"):
        z = seen[side].z
        torch.testing.assert_close(z.mean(0), torch.zeros(64), atol=1e-4, rtol=0)
        torch.testing.assert_close(z.var(0, correction=0), torch.ones(64), atol=1e-2, rtol=0)
