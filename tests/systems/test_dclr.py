"""DCLR: the positive against negatives that a guide finds far and noise that has moved uphill."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.procedures import NoiseNegatives
from counterpoint.systems import get
from counterpoint.systems.sentences import dclr
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

LONG = [replace(e, anchor=f"{e.anchor} in the deep dark wood {'very ' * i}near") for i, e in enumerate(ALONE)]


def guide():
    """Cosines of all texts by the encoder as it begins."""
    data = rows_of(LONG)
    z = small_bert(data, dropout=0.0, pooling="cls").encode([e.anchor for e in LONG], dtype="float32")
    z = F.normalize(torch.from_numpy(z), dim=1)
    return z @ z.T


@pytest.fixture(autouse=True)
def _half_are_near(monkeypatch):
    """Texts so small are all near: here half of the pairs are."""
    values = guide()[*torch.triu_indices(12, 12, 1)].sort().values
    monkeypatch.setattr(dclr, "NEAR", float(values[32:34].mean()))


def second(method="dclr", make=steady_bert, **options):
    """A step of the second stage alone, from where the encoder begins."""
    recipe = get(method).method() if isinstance(method, str) else method
    return step_of_texts(replace(recipe, stages=recipe.stages[1:]), LONG, make=make, n=12, **options)


def kept(step):
    """Which keys count as negatives, by what the guide says."""
    order = step.calls[0]["queries"].columns["sample"]
    return guide()[order][:, order] < dclr.NEAR


def naive(step, noise, keep):
    first, others = step.z()
    total = torch.zeros(())
    for i, z in enumerate(first):
        negatives = [k for j, k in enumerate(others) if j != i and keep[i, j]]
        s = torch.stack([F.cosine_similarity(z, k, dim=0) / 0.05 for k in (*negatives, *noise)])
        total = total - F.cosine_similarity(z, others[i], dim=0) / 0.05 + torch.logsumexp(s, 0)
    return total / len(first)


def noise_of(step):
    (call,) = step.calls
    return call["keys"].z[len(call["queries"]) :].detach()


def test_loss_is_that_of_a_naive_loop_over_weighted_negatives_and_noise():
    step = second()
    keep = kept(step)
    assert int(keep.sum()) == 66
    assert noise_of(step).shape == (12, 16)
    same(step, naive(step, noise_of(step), keep), rtol=1e-3)


def test_the_guide_is_what_the_encoder_was_before_the_stage():
    step = second(steps=3)
    queries = step.calls[0]["queries"].columns
    z, order = F.normalize(queries["guide"], dim=1), queries["sample"]
    torch.testing.assert_close(z @ z.T, guide()[order][:, order], rtol=1e-3, atol=1e-3)


def test_noise_goes_uphill():
    step = second()
    moved, queries = noise_of(step), step.calls[0]["queries"].z.detach()
    procedure = step.procedure
    assert (procedure.steps, procedure.rate, procedure.temperature, procedure.deviation) == (4, 1e-3, 0.05, 1.0)
    assert 2 < float(moved.norm(dim=1).mean()) < 6
    drawn = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    found = procedure.moved(drawn, queries)
    for _ in range(4):
        drawn = drawn.clone().requires_grad_()
        value = torch.zeros(())
        for q in queries:
            s = torch.stack([F.cosine_similarity(q, n, dim=0) / 0.05 for n in drawn])
            value = value + torch.logsumexp(s, 0) / len(queries)
        (slope,) = torch.autograd.grad(value, drawn)
        drawn = torch.stack([n + 1e-3 * g / g.norm() for n, g in zip(drawn, slope, strict=True)]).detach()
    torch.testing.assert_close(found, drawn)


def test_arms_leave_out_what_they_say():
    step = second(dclr.all_alike())
    same(step, naive(step, noise_of(step), torch.ones(12, 12, dtype=torch.bool)), rtol=1e-3)
    step = second(dclr.without_noise())
    same(step, naive(step, [], kept(step)), rtol=1e-3)
    step = second(dclr.random_noise())
    same(step, naive(step, noise_of(step), kept(step)), rtol=1e-3)
    assert step.procedure.steps == 0
    step = second(dclr.twice())
    same(step, contrast(*step.z()), rtol=1e-3)
    makes = (get("dclr").method, dclr.all_alike, dclr.without_noise, dclr.random_noise, dclr.twice)
    assert len({Trained(make).key for make in makes}) == 5


def test_simcse_comes_first_on_the_same_encoder():
    recipe = get("dclr").method()
    first = replace(recipe, stages=recipe.stages[:1])
    step = step_of_texts(first, LONG, make=steady_bert, n=12)
    same(step, contrast(*step.z()), rtol=1e-3)
    assert step.layers() == second().layers() == ["Linear", "Tanh"]
    assert [stage.train.epochs for stage in recipe.stages] == [1, 1]
    assert second(make=small_bert).network[0].pooling == "cls"


def test_what_is_known_of_keys_stays_beside_noise():
    (call,) = NoiseNegatives()([{"queries": torch.eye(4), "keys": torch.eye(4)}], lambda model: {})
    assert call["queries"].columns["sample"].tolist() == [0, 1, 2, 3]
    recipe = get("dclr").method()
    step = step_of_texts(replace(recipe, stages=recipe.stages[1:]), [*LONG, LONG[0]], make=steady_bert, n=13)
    keys = step.calls[0]["keys"]
    assert (len(keys), keys.columns["input"][:13].unique().numel()) == (26, 12)
    # a copy is no negative, however far the guide finds it
    order = step.calls[0]["queries"].columns["sample"]
    copies = {i for i, row in enumerate(order.tolist()) if row in (0, 12)}
    z = F.normalize(step.calls[0]["queries"].columns["guide"], dim=1)
    keep = z @ z.T < dclr.NEAR
    for i in copies:
        keep[i, list(copies)] = False
    same(step, naive(step, noise_of(step), keep), rtol=1e-3)
