"""CPC: equation 4 step by step, a context that sees no future, and the bound on a chain whose information is known."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.encoders.sequence import SequenceEncoder
from counterpoint.geometry import Dot
from counterpoint.heads import Predictions
from counterpoint.objectives import InfoNCE
from counterpoint.points import Points
from counterpoint.procedures import Futures
from counterpoint.training import TrainConfig, train
from counterpoint.training.rows import RowBatches
from systems.stages import stage


def seen(procedure, states, sample):
    (call,) = procedure([{"queries": Points(states, sample=sample), "keys": None}], lambda model: {})
    return call


def test_loss_is_equation_4_of_a_naive_loop_over_steps_ahead():
    torch.manual_seed(0)
    n, t, ahead, width = 3, 6, 4, 32
    config, model = stage("cpc"), SequenceEncoder(5, width=width, context=7)
    head, x = config.head(7), torch.randn(10, t, 5)
    assert head.steps == ahead
    chosen = torch.tensor([4, 1, 7])
    loss = config.objective()(**seen(config.procedure(7), head(model(x[chosen])), chosen))
    with torch.no_grad():
        z = model.step(x[chosen])
        c = model.recurrent(z)[0]
        matrices = head.ahead.weight.view(ahead, width, 7)
        terms = []
        for k in range(1, ahead + 1):
            for i in range(n):
                for now in range(t - k):
                    prediction = matrices[k - 1] @ c[i, now]
                    f = {(j, then): float(z[j, then] @ prediction) for j in range(n) for then in range(t)}
                    terms.append(math.log(sum(map(math.exp, f.values()))) - f[i, now + k])
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-4)


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
        step = torch.randint(1, 3, (400, 1), generator=g)
        states = torch.cat([states, (states[:, -1:] + moved * step) % 3], 1)
    x = torch.nn.functional.one_hot(states, 3).float()
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
