"""SAS: what is chosen before training, by all pairs of views and a naive greedy loop; and SimCLR on it."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.selection import expected_similarity, greedy_cut, most_similar
from counterpoint.encoders.image import Perceptron
from counterpoint.errors import InputError
from counterpoint.methods import train_stage
from counterpoint.systems import get
from counterpoint.systems.core import sas
from counterpoint.systems.core._pictures import simclr
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of

N = 120


def cut(s, inside):
    return sum(float(s[i, j]) for i in range(len(s)) if i not in inside for j in inside)


def naive(s, size):
    inside = []
    for _ in range(size):
        rest = [e for e in range(len(s)) if e not in inside]
        inside.append(max(rest, key=lambda e: cut(s, [*inside, e])))
    return inside


def similarities(n, seed=0):
    s = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return s + s.T


def start():
    torch.manual_seed(3)
    return Perceptron(64, dim=8)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(sas, "_PROXY", replace(sas._PROXY, epochs=0.1, steps=2, dtype="float32"))


def data():
    return DIGITS.parts(0)[0][torch.arange(N)]


def expected(fraction, draws, choose):
    """The rows of each kind, by loops over pairs of pictures and pairs of views."""
    from sklearn.cluster import KMeans

    stage, proxy = simclr().stages[0], copy.deepcopy(start())
    train_stage(replace(stage, train=sas._PROXY), data(), proxy, 0)
    pixels = data().anchors.tensor[:N]
    torch.manual_seed(0)
    seen = [stage.view(pixels) for _ in range(draws)] or [pixels]
    z = [F.normalize(torch.from_numpy(proxy.encode(view)).double(), dim=1) for view in seen]
    kind = KMeans(sas.KINDS, n_init=1, random_state=0).fit_predict(proxy.encode(pixels))
    wanted = []
    for one in range(sas.KINDS):
        among = [i for i in range(N) if kind[i] == one]
        s = torch.tensor([[max(0.0, float(sum(a[i] @ b[j] for a in z for b in z))) for j in among] for i in among])
        wanted += [among[e] for e in choose(s, round(fraction * len(among)))]
    return wanted


def totals(s, size):
    return sorted(range(len(s)), key=lambda i: -float(s[i].sum()))[:size]


def chosen(name):
    (prepare,) = get(name).method().stages[0].prepare
    return prepare(data(), start(), 0).anchor.tolist()


def test_each_kind_s_images_are_those_of_a_naive_greedy_loop():
    found = chosen("SAS")
    assert found == expected(0.2, sas.DRAWS, naive)
    assert 20 <= len(found) <= 28


def test_the_released_code_s_are_those_of_the_greatest_totals_of_plain_pictures():
    found = chosen("SAS (released code)")
    assert sorted(found) == sorted(expected(0.2, 0, totals))
    assert found != chosen("SAS")


def test_the_released_code_s_gain_never_falls_by_what_is_chosen():
    """As it is written there: a chosen row is set to 0, and then subtracted."""
    distance = similarities(9).numpy().copy()
    inside = []
    for _ in range(5):
        gains = [distance[i].sum() - sum(distance[j, i] for j in inside) for i in range(9)]
        best = max((i for i in range(9) if i not in inside), key=lambda i: gains[i])
        inside.append(best)
        distance[best] = 0
    assert most_similar(similarities(9), 5).tolist() == inside


@pytest.mark.parametrize("name", ["SAS", "SAS (released code)"])
def test_what_is_trained_on_is_what_was_chosen_and_the_loss_is_simclr_s(name):
    step = step_of(name, data(), n=8, steps=15, encoder=start())
    rows = set(chosen(name))
    (call,) = step.calls
    subset = chosen(name)
    assert {subset[i] for i in call["queries"].columns["sample"].tolist()} <= rows
    label = data().columns["label"]
    assert [int(label[subset[i]]) for i in call["queries"].columns["sample"]] == call["queries"].columns[
        "label"
    ].tolist()
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    first, second = step.views()
    assert not torch.equal(first, second)
    views = torch.cat(step.z())
    n, total = len(views) // 2, torch.zeros(())
    for i in range(2 * n):
        s = [F.cosine_similarity(views[i], views[k], dim=0) / 0.5 for k in range(2 * n)]
        total = total + torch.logsumexp(torch.stack([s[k] for k in range(2 * n) if k != i]), 0) - s[(i + n) % (2 * n)]
    same(step, total / (2 * n))


def test_a_supervised_arm_is_cross_entropy_on_the_same_pictures():
    step = step_of(sas.classifier(), data(), n=8, steps=15, encoder=start())
    (call,) = step.calls
    label = call["queries"].columns["label"]
    same(step, F.cross_entropy(step.network(step.payload.inputs), label))
    prepared = [recipe.stages[0].prepare[0](data(), start(), 0) for recipe in (sas.classifier(), sas.sas())]
    assert torch.equal(prepared[0].anchor, prepared[1].anchor)


def test_a_random_part_is_as_large():
    found = sas.of_random().stages[0].prepare[0](data(), start(), 1)
    assert len(found) == round(0.2 * N) == found.anchor.unique().numel()
    assert len(sas.of_most().stages[0].prepare[0](data(), start(), 0)) == pytest.approx(0.8 * N, abs=5)


def test_expected_similarity_is_the_mean_over_pairs_of_views():
    views = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    z = F.normalize(views, dim=2)
    wanted = torch.zeros(4, 4)
    for i in range(4):
        for j in range(4):
            wanted[i, j] = max(0.0, sum(float(a[i] @ b[j]) for a in z for b in z) / 9)
    torch.testing.assert_close(expected_similarity(views), wanted)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_greatest_gain_of_the_cut(seed):
    s = similarities(9, seed)
    assert greedy_cut(s, 7).tolist() == naive(s, 7)
    best = max(cut(s, list(inside)) for inside in combinations(range(9), 3))
    assert cut(s, greedy_cut(s, 3).tolist()) >= (1 - 1 / 2.718282) * best


def test_a_copy_of_a_chosen_point_comes_late():
    # two twins, each like the other alone, and three that are somewhat like everybody
    s = torch.full((5, 5), 0.3)
    s[0, 1] = s[1, 0] = 1.0
    assert set(greedy_cut(s, 2).tolist()) != {0, 1}
    assert s.sum(1).topk(2).indices.sort().values.tolist() == [0, 1]


@pytest.mark.parametrize("s", [torch.ones(2, 3), -torch.ones(2, 2), torch.ones(1, 1)])
def test_refuses(s):
    with pytest.raises(InputError, match="2 points"):
        greedy_cut(s, 2)
