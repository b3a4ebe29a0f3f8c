"""CURL: the loss on blocks, and the bounds of lemma 4.3 and proposition 6.2 by enumeration of everything."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems.core.curl import pairs, supervised, without_classes
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


@pytest.mark.parametrize(("name", "size"), [("curl", 5), ("curl-hinge", 5), (pairs(), 1)])
def test_loss_is_that_of_a_naive_loop_over_blocks(name, size):
    torch.manual_seed(0)
    n, data = 6, DIGITS.parts(0)[0]
    step = step_of(name, data, n=n, steps=12)
    z = step.network(step.payload.inputs)
    assert len(z) == n * (1 + 2 * size)
    (call,) = step.calls
    assert call["owned"].z.shape[1] == 2
    total = torch.zeros(())
    for i in range(n):
        v = torch.zeros(())
        for j in range(size):
            positive, negative = z[n + i * size + j], z[n + n * size + i * size + j]
            v = v + z[i] @ (positive - negative) / size
        total = total + (torch.clamp(1 - v, min=0) if name == "curl-hinge" else torch.log(1 + torch.exp(-v)))
    same(step, total / n)


@pytest.mark.parametrize("name", ["curl", "curl-hinge"])
def test_a_step_has_pictures_as_they_are_and_no_head(name):
    step = step_of(name, n=6)
    pixels = DIGITS.parts(0)[0].anchors.tensor[:6].flatten(1)
    assert torch.cdist(step.payload.inputs.flatten(1), pixels).amin(1).max() < 1e-6
    assert step.layers() == ["Identity"]


def test_blocks_are_of_one_class_and_shuffled_ones_are_not():
    from counterpoint.systems import get

    data = DIGITS.parts(0)[0]
    label = data.columns["label"]
    shares = []
    for recipe in (get("curl").method(), without_classes()):
        (prepare,) = recipe.stages[0].prepare
        found = prepare(data, torch.nn.Identity(), 0)
        assert found.positives.shape[1] == found.negatives.shape[1] == 5
        shares.append(float((label[found.positives] == label[found.anchor][:, None]).float().mean()))
    assert shares[0] == 1.0
    assert shares[1] < 0.15


def test_vectors_are_compared_as_they_are():
    from counterpoint.systems import get

    assert get("curl").method().similarity == get("curl-hinge").method().similarity == "dot"


def test_the_ceiling_is_cross_entropy_of_the_classes():
    step = step_of(supervised(), DIGITS.parts(0)[0])
    (logits,) = (step.network(step.payload.inputs),)
    same(step, F.cross_entropy(logits, DIGITS.parts(0)[0].columns["label"][:8][_order(step)]))


def _order(step):
    pixels = DIGITS.parts(0)[0].anchors.tensor[:8].flatten(1)
    return torch.cdist(step.payload.inputs.flatten(1), pixels).argmin(1)
