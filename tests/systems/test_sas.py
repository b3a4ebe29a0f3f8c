"""SAS: expected similarities by all pairs of views, and the greedy cut by a naive loop."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.images import digits
from counterpoint.data.selection import greedy_cut
from counterpoint.encoders.image import Perceptron
from counterpoint.errors import InputError
from counterpoint.systems.core import sas
from counterpoint.systems.core._digits import as_rows
from systems.stages import stage


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


def test_each_kind_s_images_are_those_of_a_naive_greedy_loop():
    from sklearn.cluster import KMeans

    torch.manual_seed(3)
    images, proxy, view = digits()[torch.arange(120)], Perceptron(64, dim=8), stage("SAS").view
    torch.manual_seed(0)
    z = [F.normalize(torch.from_numpy(proxy.encode(view(images.pixels))).double(), dim=1) for _ in range(sas.DRAWS)]
    kind = KMeans(sas.KINDS, n_init=1, random_state=0).fit_predict(proxy.encode(images.pixels))
    wanted = []
    for one in range(sas.KINDS):
        among = [i for i in range(120) if kind[i] == one]
        s = torch.tensor([[float(sum(a[i] @ b[j] for a in z for b in z)) for j in among] for i in among])
        wanted += [among[e] for e in naive(s, round(sas.FRACTION * len(among)))]
    found = sas.chosen(as_rows(images), proxy, view, 0)
    assert found.anchor.tolist() == wanted
