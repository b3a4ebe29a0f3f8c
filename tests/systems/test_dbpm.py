"""DBPM: the history of each pair's losses, who is judged bad, and by how much its loss shrinks."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import BadPairs, InfoNCE
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core import dbpm
from counterpoint.testbeds.marked import ANOTHERS, NOISE, PLANTED_DIGITS, partner
from systems.through import same, step_of


def losses_of(z, temperature):
    """NT-Xent of each of 2n views."""
    n, out = len(z) // 2, []
    for i in range(2 * n):
        s = {k: F.cosine_similarity(z[i], z[k], dim=0) / temperature for k in range(2 * n) if k != i}
        out.append(torch.logsumexp(torch.stack(list(s.values())), 0) - s[(i + n) % (2 * n)])
    return torch.stack(out)


class Naive:
    """The authors' loop: a list of losses a sample, judged at the beginning of each epoch."""

    def __init__(self, epochs, warmup, noisy=2.0, faulty=2.0):
        self.history, self.epoch, self.known = {}, 0, (epochs, warmup, noisy, faulty)
        self.bad, self.mu, self.sd = set(), 0.0, 0.0

    def begin(self):
        epochs, warmup, noisy, faulty = self.known
        mean = {
            i: sum(loss * (e + 1) / epochs for e, loss in enumerate(h)) / len(h) for i, h in self.history.items()
        }  # fmt: skip
        self.epoch += 1
        self.mu = sum(mean.values()) / len(mean)
        self.sd = math.sqrt(sum((m - self.mu) ** 2 for m in mean.values()) / len(mean))
        if self.epoch >= warmup:
            low, high = self.mu - noisy * self.sd, self.mu + faulty * self.sd
            self.bad = {i for i, m in mean.items() if m <= low or m >= high}

    def loss(self, ids, pairs):
        weight = []
        for i, loss in zip(ids, pairs.tolist(), strict=True):
            self.history.setdefault(i, []).append(loss)
            density = math.exp(-((loss - self.mu) ** 2) / (2 * max(self.sd, 1e-9) ** 2))
            density /= max(self.sd, 1e-9) * math.sqrt(2 * math.pi)
            weight.append(min(1.0, density) if i in self.bad else 1.0)
        return (pairs * torch.tensor(weight)).mean()


def test_loss_follows_the_history_of_a_naive_loop():
    g, n = torch.Generator().manual_seed(0), 12
    objective = BadPairs(InfoNCE(0.5, layout="views"), n, epochs=5, warmup=2, noisy=1.0, faulty=1.0).double()
    naive, judged = Naive(5, 2, 1.0, 1.0), 0
    for epoch in range(5):
        order = torch.randperm(n, generator=g)
        for batch, ids in enumerate(order.split(6)):
            q, k = (torch.randn(6, 4, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
            with torch.no_grad():
                k += (ids < 3)[:, None] * (q - k)  # always easy
                k -= (ids > 9)[:, None] * (q + k)  # always hard
            if epoch and not batch:
                naive.begin()
            each = losses_of(torch.cat([q, k]), 0.5)
            wanted = naive.loss(ids.tolist(), (each[:6] + each[6:]) / 2)
            found = objective(Points(q, sample=ids), Points(k, sample=ids))
            assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
            for a, b in zip(torch.autograd.grad(found, (q, k)), torch.autograd.grad(wanted, (q, k)), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-9)
            judged += len(naive.bad)
            assert (found.item() != pytest.approx(each.mean().item(), rel=1e-6)) == bool(naive.bad & set(ids.tolist()))
    assert judged > 0


def test_settings_and_head_are_those_of_the_authors():
    step = step_of("dbpm")
    objective = step.objective
    assert isinstance(objective, BadPairs)
    assert (objective.epochs, objective.warmup, objective.noisy, objective.faulty) == (16, 10, 2.0, 2.0)
    assert step.layers() == ["Linear", "ReLU", "Linear"]
    assert step.network[1][0].out_features == 2 * step.network[1][2].out_features == 32


def test_before_anybody_is_judged_the_loss_is_nt_xent_at_the_authors_temperature():
    train = PLANTED_DIGITS.parts(0)[0]
    # pictures that are in two rows are no negatives of each other
    step = step_of("dbpm", train[train.columns["pair"] != ANOTHERS])
    arguments = step.payload.arguments(step.network(step.payload.inputs))
    z = torch.cat([arguments["queries"].z, arguments["keys"].z])
    same(step, losses_of(z, 0.2).mean())


def test_who_is_judged_loses_weight_in_training():
    train = PLANTED_DIGITS.parts(0)[0]
    # pictures that are in two rows are no negatives of each other
    train = train[train.columns["pair"] != ANOTHERS][torch.arange(32)]
    naive, seen = Naive(16, 10), []
    for steps in (dbpm.WARMUP, dbpm.WARMUP + 1):
        step = step_of(get("dbpm").method(), train, n=32, steps=steps)
        arguments = step.payload.arguments(step.network(step.payload.inputs))
        each = losses_of(torch.cat([arguments["queries"].z, arguments["keys"].z]), 0.2)
        seen.append((step, each, arguments["queries"].columns["sample"]))
    step, each, ids = seen[1]
    # one batch an epoch: the state as the last step begins is that of all before it
    kept = step.objective
    mean = kept.total[:32] / kept.number[:32]
    assert kept.number[:32].tolist() == [dbpm.WARMUP] * 32
    naive.mu, naive.sd = float(mean.mean()), float(mean.std(correction=0))
    low, high = naive.mu - 2 * naive.sd, naive.mu + 2 * naive.sd
    naive.bad = {i for i, m in enumerate(mean.tolist()) if m <= low or m >= high}
    assert naive.bad
    same(step, naive.loss(ids.tolist(), (each[:32] + each[32:]) / 2))
    before = seen[0]
    same(before[0], before[1].mean())


def test_evaluation_remembers_nothing_and_unknown_samples_are_said():
    objective = BadPairs(InfoNCE(0.5), 4).eval()
    objective(torch.eye(4), torch.eye(4))
    assert float(objective.number.sum()) == 0
    with pytest.raises(InputError, match="samples 0 to 3"):
        objective(torch.eye(5), torch.eye(5))
    with pytest.raises(InputError, match="0 of 80 epochs"):
        BadPairs(InfoNCE(0.5), 4, warmup=0)


def test_pairs_are_as_their_column_says():
    train, test = PLANTED_DIGITS.parts(0)
    (prepare,) = get("dbpm").method().stages[0].prepare
    data = prepare(train, None, 0)
    pair, first, second = train.columns["pair"], data.anchors.tensor, data.others.tensor
    pixels, noise, another = train.anchors.tensor, pair == NOISE, pair == ANOTHERS
    assert torch.equal(first[~noise], pixels[~noise])
    assert torch.equal(second[pair == 0], pixels[pair == 0])
    whose = partner(train, 0)
    assert torch.equal(second[another], pixels[whose[another]])
    assert (whose != torch.arange(len(train)))[another].all()
    assert abs(float(torch.corrcoef(torch.stack([first[noise].flatten(), second[noise].flatten()]))[0, 1])) < 0.05
    # pictures of the user's have no such column, and stay as they are
    assert prepare(test, None, 0) is test
    assert len(dbpm.good_only(train, None, 0)) == int((pair == 0).sum())


def test_views_of_both_sides_are_random():
    step = step_of("dbpm")
    train = PLANTED_DIGITS.parts(0)[0]
    for view in step.payload.inputs.chunk(2):
        for picture in view:
            assert not torch.isclose(train.anchors.tensor, picture).all(dim=(1, 2, 3)).any()
