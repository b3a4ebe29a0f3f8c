"""PNDA: soft targets for turns that change nothing, further negatives for those that do."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import Images, digits
from counterpoint.encoders.image import ImageEncoder
from counterpoint.systems.core import pnda
from counterpoint.systems.core._digits import as_rows
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def batch(view, agnostic):
    images = Images(digits().pixels[:4], digits().labels[:4], "", columns={"agnostic": torch.tensor(agnostic)})
    model = ImageEncoder(widths=(8, 16))
    (prepare,) = stage("pnda").prepare
    payload = RowBatches(prepare(as_rows(images), model, 0), model, view=view).payload(torch.arange(4))
    return payload, payload.arguments(stage("pnda").head(16)(model(payload.inputs))), images


def test_soft_targets_and_further_negatives_of_a_naive_loop():
    torch.manual_seed(0)
    config, agnostic = stage("pnda"), [1, 0, 1, 0]
    payload, seen, _ = batch(config.view, agnostic)
    assert payload.inputs.shape[0] == 4 * 5
    q, k = (F.normalize(seen[side].z.detach(), dim=1) for side in ("queries", "keys"))
    # keys: of an agnostic image itself and its turns, of others themselves; then the turns of these
    owner = [0, 0, 0, 0, 1, 2, 2, 2, 2, 3, -1, -1, -1, -1, -1, -1]
    total = 0.0
    for i in range(4):
        own = torch.tensor([float(o == i) for o in owner])
        total += float(F.cross_entropy((q[i] @ k.T / 0.5)[None], (own / own.sum())[None]))
    assert config.objective()(**seen).item() == pytest.approx(total / 4, rel=1e-5)


def test_turns_are_quarter_turns_of_the_image():
    payload, _, images = batch(lambda pixels: pixels, [0, 0, 0, 0])
    turns = payload.inputs[8:].view(4, 3, 1, 8, 8)
    for turn in (1, 2, 3):
        assert torch.equal(turns[:, turn - 1], torch.rot90(images.pixels, turn, (2, 3)))


def test_what_looks_alike_however_turned_is_uncertain():
    ring, bar = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    ring[:, 2:6, 2:6] = 1.0
    bar[:, 0, :] = 1.0
    images = Images(torch.stack([ring, bar] * 40), torch.arange(80) % 2, "")
    entropy = pnda.rotation_entropy(images, 0, steps=60)
    assert float(entropy[::2].min()) > 0.9
    assert float(entropy[1::2].max()) < 0.3
    assert math.isfinite(float(entropy.sum()))
