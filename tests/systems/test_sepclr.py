"""SepCLR: a naive loop over both spaces, their joint entropy, and backgrounds without salience."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import KernelEntropy
from counterpoint.systems.core import sepclr
from counterpoint.testbeds.overlaid import OVER_STRIPES, two_networks
from systems.through import same, step_of

SPACE = 32


def data():
    return OVER_STRIPES.parts(0)[0][torch.arange(8)]


def step_on(method):
    rows = data()
    return step_of(method, rows, encoder=two_networks(rows, 0))


def squares(x):
    return (x[:, None] - x[None]).square().sum(2)


def naive(step, *, jem, weight=1000):
    views, n = step.z(), 8
    target = step.calls[0]["queries"].columns["target"]
    shown = [i for i in range(n) if target[i]]
    hidden = [i for i in range(n) if not target[i]]
    c, s = [v[:, :SPACE] for v in views], [v[:, SPACE:] for v in views]
    for v in c:
        torch.testing.assert_close(v.norm(dim=1), torch.ones(n))
    silent = [v * target[:, None] for v in s]

    def uniformity(x):
        d = squares(x)
        pairs = [(-d[i, j]).exp() for i in range(n) for j in range(n) if i != j]
        return torch.stack(pairs).mean().log()

    total = sum((c[0][i] - c[1][i]).square().sum() for i in range(n)) / n + sum(map(uniformity, c))
    attract = sum((s[0][i] - s[1][i]).square().sum() for i in shown) / len(shown)
    total = total + weight * (attract + sum(map(uniformity, silent)))
    total = total + weight * sum(v[i].square().sum() for v in s for i in hidden) / (2 * len(hidden))
    if jem:
        for a, b in zip(c, silent, strict=True):
            rows = [((-squares(a) - squares(b)).exp()[i].sum() / n).log() for i in range(n)]
            total = total + 10 * sum(rows) / n / 2
    return total


@pytest.mark.parametrize(("name", "jem"), [("SepCLR", True), ("SepCLR without k-JEM", False)])
def test_loss_is_that_of_a_naive_loop_over_both_spaces(name, jem):
    step = step_on(name) if jem else step_of(name, data(), encoder=two_networks(data(), 0))
    assert step.calls[0]["queries"].columns["target"].tolist() != [1] * 8
    same(step, naive(step, jem=jem))


@pytest.mark.parametrize(("name", "jem"), [("SepCLR", True), ("SepCLR without k-JEM", False)])
def test_each_term_is_of_its_own_space(monkeypatch, name, jem):
    # beside a thousand the common space's terms are lost
    for weight in ("SALIENT", "NOTHING"):
        monkeypatch.setattr(sepclr, weight, 1.0)
    step = step_of(name, data(), encoder=two_networks(data(), 0))
    same(step, naive(step, jem=jem, weight=1))


def test_each_space_has_an_encoder_and_a_projector_of_its_own():
    step = step_on("SepCLR")
    layers = ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert step.layers() == [*layers, "Unit", *layers]
    x = step.payload.inputs
    z = step.network(x)
    z[:, SPACE:].square().sum().backward()
    first, second = step.network[0].encoders
    assert all(p.grad is None or not p.grad.any() for p in first.parameters())
    assert any(p.grad.any() for p in second.parameters())
    assert (z.shape[1], step.network[1].first[0][0].out_features) == (2 * SPACE, 128)


@pytest.mark.parametrize("name", ["SepCLR", "SepCLR without k-JEM"])
def test_views_are_two_random_ones(name):
    step = step_on(name)
    first, second = step.views()
    pixels = data().anchors.tensor[:8]
    for a, b in ((first, second), (first, pixels), (second, pixels)):
        assert not torch.isclose(a, b, atol=0.02).all(dim=(1, 2, 3)).any()


def test_only_targets_are_numbered():
    rows = data()
    found = sepclr.shown(rows, torch.nn.Identity(), 0).columns["shown"]
    assert found[rows.columns["target"] == 0].tolist() == [-1] * 4
    assert len(found.unique()) == 5


def test_one_space_and_the_oracle_are_controls_on_the_same_networks():
    step = step_on(sepclr.one_space())
    z = [F.normalize(v, dim=1) for v in step.z()]
    align = (z[0] - z[1]).square().sum(1).mean()
    off = ~torch.eye(8, dtype=torch.bool)
    same(step, align + sum((-squares(v)[off]).exp().mean().log() for v in z))
    rows = data()
    rows = replace(rows, columns={**rows.columns, "digit": torch.tensor([-1, 3, -1, 3, -1, 4, -1, 4])})
    step = step_of(sepclr.oracle(), rows, encoder=two_networks(rows, 0))
    z, total = torch.cat(step.z()), torch.zeros(())
    for part, column in ((z[:, :SPACE], "label"), (z[:, SPACE:], "digit")):
        y = step.calls[0]["queries"].columns[column].repeat(2)
        p = F.normalize(part, dim=1)
        log_p = ((p @ p.T) / 0.1).fill_diagonal_(-torch.inf).log_softmax(1)
        terms = [log_p[i][[j for j in range(16) if j != i and y[j] == y[i]]].mean() for i in range(16) if y[i] >= 0]
        total = total - torch.stack(terms).mean()
    same(step, total)


def test_joint_entropy_is_larger_where_the_parts_are_independent():
    torch.manual_seed(0)
    a, b = 3 * torch.randn(200, 1), 3 * torch.randn(200, 1)
    # less is more entropy
    assert KernelEntropy()(torch.cat([a, b], 1)) < KernelEntropy()(torch.cat([a, a], 1)) - 0.3
