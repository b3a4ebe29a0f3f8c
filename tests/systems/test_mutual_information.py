"""On mutual information: an invertible encoder keeps it, whatever it learns, and a linear probe sees the difference."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from counterpoint.systems import get
from counterpoint.systems.core import mutual_information as arms
from counterpoint.testbeds import DIGITS, Trained, Untrained
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.halves import SMALL, information
from systems.through import same, step_of

NAME = "on-mi-maximization"


def step(method, n=8):
    torch.manual_seed(0)
    recipe = replace(get(method).method() if isinstance(method, str) else method, own_start=False)
    data = DIGITS.parts(0)[0]
    return step_of(recipe, data, n=n, encoder=recipe.started(data, 0))


def halves(found):
    """What the two towers make of the batch, and the pictures that they see."""
    lower, upper = found.payload.inputs.parts
    towers = found.network[0]
    return towers.query(lower), towers.document(upper), lower, upper


def scores(critic, q, k):
    """One number a pair, by hand."""
    kind = type(critic).__name__
    found = torch.zeros(len(q), len(k))
    for i in range(len(q)):
        for j in range(len(k)):
            if kind == "Dot":
                found[i, j] = q[i] @ k[j]
            elif kind == "Separable":
                found[i, j] = critic.queries(q[i]) @ critic.keys(k[j])
            else:
                found[i, j] = critic.network(torch.cat([q[i], k[j]]))[0]
    return found


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (NAME, 96 * 96),
        (arms.inner_product(), 0),
        (arms.bilinear_critic(), 96 * 96),
        (arms.separable_critic(), 2 * (97 * 100 + 101 * 100)),
        (arms.joint_critic(), 193 * 200 + 201),
    ],
)
def test_loss_is_infonce_of_a_naive_loop_with_each_critic(method, parameters):
    found = step(method)
    assert sum(p.numel() for p in found.objective.parameters()) == parameters
    q, k, *_ = halves(found)
    s = scores(found.objective.geometry, q, k)
    terms = [torch.logsumexp(s[i], 0) - s[i, i] for i in range(len(s))]
    same(found, torch.stack(terms).mean())


def test_the_other_bound_is_nwj_s():
    found = step("on-mi-maximization-nwj")
    q, k, *_ = halves(found)
    s, n = scores(found.objective.geometry, q, k), len(q)
    assert sum(p.numel() for p in found.objective.parameters()) == 96 * 96
    others = torch.stack([(s[i, j] - 1).exp() for i in range(n) for j in range(n) if i != j])
    same(found, -s.diagonal().mean() + others.mean())


@pytest.mark.parametrize("name", [NAME, "on-mi-maximization-nwj"])
def test_the_views_are_the_halves_of_one_image(name):
    found = step(name)
    q, k, lower, upper = halves(found)
    assert torch.equal(lower, upper)
    # the start of an invertible encoder changes nothing
    assert torch.equal(k[:, :32], upper[:, 0, :4].flatten(1))
    assert torch.equal(q[:, 64:], lower[:, 0, 4:].flatten(1))
    assert get(name).method().similarity == "dot"


def test_unpaired_halves_are_of_different_images():
    data = DIGITS.parts(0)[0]
    (prepare,) = arms.unpaired().stages[0].prepare
    found = prepare(data, torch.nn.Identity(), 0)
    assert (found.positives[:, 0] == found.anchor).float().mean() < 0.02
    assert torch.equal(found.positives[:, 0].sort().values, found.anchor.sort().values)


def test_the_ceiling_is_cross_entropy_by_upper_halves():
    found = step(arms.supervised())
    (call,) = found.calls
    label = call["queries"].columns["label"]
    same(found, torch.nn.functional.cross_entropy(found.network(found.payload.inputs), label))
    assert found.network[0].top


def test_the_start_is_the_pixels():
    parts = SMALL.parts(1)
    made = Untrained(arms.invertible).made(SMALL, parts, 1)
    z = made.encoder.encode_items(parts[1].anchors[parts[1].anchor])
    assert torch.equal(torch.from_numpy(z)[:, :32], parts[1].anchors.tensor[parts[1].anchor][:, 0, :4].flatten(1))


def test_the_encoder_loses_nothing_and_the_probe_still_changes():
    bed = replace(SMALL, epochs=0, steps=150, settings={"learning_rate": 3e-3})
    parts = bed.parts(0)
    made, start = (arm.made(bed, parts, 0) for arm in (Trained(get(NAME).method), Untrained(arms.invertible)))
    pixels = parts[1].anchors.tensor[parts[1].anchor]
    with torch.inference_mode():
        for tower in (made.encoder.query, made.encoder.document):
            z, half = tower(pixels), tower.pixels(pixels)
            assert (z - half).abs().mean() > 0.01
            torch.testing.assert_close(tower.network.inverse(z), half, rtol=1e-3, atol=1e-3)
    assert probe_accuracy().of(made) != probe_accuracy().of(start)
    # more than an untrained critic, and less than the batch allows
    assert 0.1 < information.of(made) < math.log(64)
