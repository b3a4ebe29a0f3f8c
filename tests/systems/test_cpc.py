"""CPC: equation 4 step by step, a context that sees no future, and the bound on a chain whose information is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.encoders.sequence import SequenceEncoder
from counterpoint.geometry import Dot
from counterpoint.heads import Predictions
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import Futures
from counterpoint.systems import get
from counterpoint.systems.core.cpc import disordered, next_step, supervised, two_steps
from counterpoint.testbeds import DIGITS
from counterpoint.training import TrainConfig, train
from counterpoint.training.rows import RowBatches
from systems.through import same, step_of

AHEAD, WIDTH = 12, 32


def seen(procedure, states, sample):
    (call,) = procedure([{"queries": Points(states, sample=sample), "keys": None}], lambda model: {})
    return call


def long_rows(n=6, rows=16):
    """Pictures of more rows than are predicted ahead."""
    pixels = torch.rand(n, 1, rows, 5, generator=torch.Generator().manual_seed(1))
    return Data.alone(Items("image", pixels), label=torch.arange(n) % 3)


def step(recipe, data, n=3):
    torch.manual_seed(0)
    recipe = replace(recipe, own_start=False)
    return step_of(recipe, data, n=n, encoder=recipe.started(data, 0))


@pytest.mark.parametrize(("recipe", "ahead"), [("CPC", AHEAD), (next_step(), 1), (two_steps(), 2)])
def test_loss_is_equation_4_of_a_naive_loop_over_steps_ahead(recipe, ahead):
    recipe = get(recipe).method() if isinstance(recipe, str) else recipe
    found = step(recipe, long_rows())
    encoder, head = found.network
    assert head.steps == ahead
    x = found.payload.inputs.transpose(1, 2).flatten(2)
    n, t, _ = x.shape
    assert (n, t) == (3, 16)
    z = encoder.network.step(x)
    c = encoder.network.recurrent(z)[0]
    matrices = head.ahead.weight.view(ahead, WIDTH, -1)
    terms = []
    for k in range(1, ahead + 1):
        for i in range(n):
            for now in range(t - k):
                f = z.flatten(0, 1) @ (matrices[k - 1] @ c[i, now])
                terms.append(torch.logsumexp(f, 0) - f[i * t + now + k])
    same(found, torch.stack(terms).mean())


def test_pictures_are_as_they_are_and_inner_products_too():
    data = DIGITS.parts(0)[0]
    found = step(get("CPC").method(), data, 8)
    pixels = data.anchors.tensor[:8].flatten(1)
    assert torch.cdist(found.payload.inputs.flatten(1), pixels).amin(1).max() < 1e-6
    assert get("CPC").method().similarity == "dot"


def test_shuffled_rows_are_the_same_rows_in_an_order_of_each_picture():
    data = long_rows()
    mixed = disordered(data, torch.nn.Identity(), 0).anchors.tensor
    pixels = data.anchors.tensor
    assert not (mixed == pixels).all(dim=(1, 2, 3)).any()
    for a, b in zip(pixels[:, 0], mixed[:, 0], strict=True):
        assert sorted(map(tuple, a.tolist())) == sorted(map(tuple, b.tolist()))


def test_the_ceiling_is_cross_entropy_on_the_mean_context():
    found = step(supervised(), long_rows())
    encoder, head = found.network
    context = encoder(found.payload.inputs)[..., WIDTH:].mean(1)
    (call,) = found.calls
    same(found, F.cross_entropy(head[1](context), call["queries"].columns["label"]))


def test_the_context_sees_no_future():
    model, x = SequenceEncoder(4, width=8, context=6), torch.randn(2, 5, 4)
    other = x.clone()
    other[:, 3:] += 1
    a, b = model(x)[..., 8:], model(other)[..., 8:]
    assert torch.equal(a[:, :3], b[:, :3])
    assert not torch.allclose(a[:, 3:], b[:, 3:])
    assert model.encode(x) == pytest.approx(a.mean(1).detach().numpy(), abs=1e-6)


def test_the_parts_of_a_batch_have_different_places():
    """Two processes, each with its share of the rows: the whole batch's loss has them all as keys, each once."""
    among = torch.tensor([5, 0, 8, 2])
    head = Predictions(2, 3, steps=2)
    states = head(torch.randn(4, 4, 5))
    whole = seen(Futures(), states, among)
    parts = [seen(Futures(), states[p], among[p]) for p in (slice(0, 2), slice(2, 4))]
    places = [p["keys"].columns["sample"] for p in parts]
    assert torch.equal(torch.cat(places), whole["keys"].columns["sample"])
    asked = torch.cat([p["queries"].columns["sample"] for p in parts])
    assert sorted(asked.tolist()) == sorted(whole["queries"].columns["sample"].tolist())


def test_log_n_minus_the_loss_is_a_lower_bound_on_the_information_and_finds_most_of_it():
    """A chain of three states: I(x_t+1; x_t) = H(stationary) - H(next | now)."""
    stay, g = 0.9, torch.Generator().manual_seed(0)
    states = torch.randint(3, (400, 1), generator=g)
    for _ in range(9):
        moved = torch.rand(400, 1, generator=g) > stay
        there = torch.randint(1, 3, (400, 1), generator=g)
        states = torch.cat([states, (states[:, -1:] + moved * there) % 3], 1)
    x = F.one_hot(states, 3).float()
    leave = (1 - stay) / 2
    information = math.log(3) + stay * math.log(stay) + 2 * leave * math.log(leave)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, head = SequenceEncoder(3, width=8, context=8), Predictions(8, 8, steps=1)
        objective = InfoNCE(1.0, geometry=Dot())
        settings = TrainConfig(epochs=60, batch_size=64, learning_rate=1e-2, dtype="float32", validations=1)
        batches = RowBatches(Data.alone(Items("series", x[:300])), model, views=1)
        train(model, batches, objective, settings, head=head, procedure=Futures())
        held = seen(Futures(), head(model(x[300:])), torch.arange(100))
        found = objective.guess(len(held["queries"]), len(held["keys"])) - objective(**held).item()
    assert 0.7 * information < found < information + 0.05
