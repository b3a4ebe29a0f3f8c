"""PNDA: soft targets for turns that change nothing, further negatives for those that do."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems import get
from counterpoint.systems.core import pnda


def test_soft_targets_and_further_negatives_of_a_naive_loop():
    torch.manual_seed(0)
    config, model = get("pnda").config(), ImageEncoder(widths=(8, 16))
    agnostic = torch.tensor([1, 0, 1, 0])
    images = Images(digits().pixels[:4], digits().labels[:4], "", columns={"agnostic": agnostic})
    payload = pnda.TurnedBatches(images, config.view).payload(torch.arange(4))
    assert payload.inputs.shape[0] == 4 * 5
    seen = payload.arguments(config.head(16)(model(payload.inputs)))
    q, k = (F.normalize(seen[side].z.detach(), dim=1) for side in ("queries", "keys"))
    total = 0.0
    for i in range(4):
        logits = q[i] @ k.T / 0.5
        target = torch.zeros(16)
        target[i] = 1.0
        if agnostic[i]:
            target[[i, 4 + i, 8 + i, 12 + i]] = 0.25
        total += float(F.cross_entropy(logits[None], target[None]))
    assert config.objective()(**seen).item() == pytest.approx(total / 4, rel=1e-5)


def test_turns_are_quarter_turns_of_the_second_view():
    images = Images(digits().pixels[:3], digits().labels[:3], "", columns={"agnostic": torch.zeros(3)})
    inputs = pnda.TurnedBatches(images, lambda pixels: pixels).payload(torch.arange(3)).inputs.view(5, 3, 1, 8, 8)
    for turn in (1, 2, 3):
        assert torch.equal(inputs[1 + turn], torch.rot90(inputs[1], turn, (2, 3)))


def test_what_looks_alike_however_turned_is_uncertain():
    ring, bar = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    ring[:, 2:6, 2:6] = 1.0
    bar[:, 0, :] = 1.0
    images = Images(torch.stack([ring, bar] * 40), torch.arange(80) % 2, "")
    entropy = pnda.rotation_entropy(images, 0, steps=60)
    assert float(entropy[::2].min()) > 0.9
    assert float(entropy[1::2].max()) < 0.3
    assert math.isfinite(float(entropy.sum()))
