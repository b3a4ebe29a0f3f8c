"""SimCLR: NT-Xent over 2N views; two random views an image; probes see h, not g(h)."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems import get
from counterpoint.systems.core import _digits
from counterpoint.systems.core._digits import as_rows
from counterpoint.systems.core.simclr import plain
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def batch(n=6):
    torch.manual_seed(0)
    config, model = stage("simclr"), ImageEncoder(widths=(8, 16))
    head = config.head(16)
    payload = RowBatches(as_rows(digits()), model, view=config.view).payload(torch.arange(n))
    return config, payload, payload.arguments(head(model(payload.inputs)))


def test_loss_is_nt_xent_of_a_naive_loop_over_2n_views():
    config, _, seen = batch()
    views = torch.cat([seen["queries"].z, seen["keys"].z]).detach()
    n = len(views) // 2
    total = 0.0
    for i in range(2 * n):
        s = [float(F.cosine_similarity(views[i], views[k], dim=0)) / 0.5 for k in range(2 * n)]
        positive = (i + n) % (2 * n)
        total -= math.log(math.exp(s[positive]) / sum(math.exp(s[k]) for k in range(2 * n) if k != i))
    assert config.objective()(**seen).item() == pytest.approx(total / (2 * n), rel=1e-4)


def test_both_views_are_random_and_of_the_same_image():
    _, payload, seen = batch()
    first, second = payload.inputs.chunk(2)
    assert not torch.allclose(first, second)
    assert not torch.allclose(first, digits().pixels[:6])
    assert torch.equal(seen["queries"].columns["sample"], seen["keys"].columns["sample"])


def test_probe_is_on_the_representation_and_not_on_the_projection():
    parts = digits().split(seed=1)
    model = get("simclr").method().started(as_rows(parts[0]), 0)
    h = _digits.accuracy(model, parts)

    class Nothing(torch.nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    assert _digits.accuracy(model, parts, Nothing()) < 0.2 < h
    assert (
        _digits.accuracy(model, parts, torch.nn.Identity()) == h == _digits.untrained(get("simclr").method(), parts, 0)
    )


def test_the_head_has_one_hidden_layer_and_batch_norm_that_does_not_shift_at_the_end():
    head = stage("simclr").head(16)
    assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert [layer.bias is not None and layer.bias.requires_grad for layer in head if hasattr(layer, "bias")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in plain().stages[0].head(16)] == ["Linear", "ReLU", "Linear"]
