"""SepCLR: a naive loop over both spaces, their joint entropy, and backgrounds without salience."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.objectives import KernelEntropy
from counterpoint.points import Points
from counterpoint.systems.core.sepclr import SPACE, Spaces, patterned
from systems.stages import stage


def square(a, b):
    return float((a - b).square().sum())


def test_loss_is_that_of_a_naive_loop_over_both_spaces():
    torch.manual_seed(0)
    n, target = 10, torch.arange(10) % 2
    views = [torch.randn(n, 2 * SPACE) / 4 for _ in range(2)]
    views = [torch.cat([F.normalize(v[:, :SPACE], dim=1), v[:, SPACE:]], 1) for v in views]
    q, k = (Points(v, sample=torch.arange(n), target=target) for v in views)
    common, salient = [v[:, :SPACE] for v in views], [v[:, SPACE:] for v in views]
    silent = [s * target[:, None] for s in salient]

    def uniformity(x):
        pairs = [math.exp(-square(x[i], x[j])) for i in range(n) for j in range(n) if i != j]
        return math.log(sum(pairs) / len(pairs))

    def joint(c, s):
        rows = [[math.exp(-square(c[i], c[j])) * math.exp(-square(s[i], s[j])) for j in range(n)] for i in range(n)]
        return sum(math.log(sum(row) / n) for row in rows) / n

    shown, hidden = [i for i in range(n) if target[i]], [i for i in range(n) if not target[i]]
    align_c = sum(square(common[0][i], common[1][i]) for i in range(n)) / n
    align_s = sum(square(salient[0][i], salient[1][i]) for i in shown) / len(shown)
    nothing = sum(float(s[i].square().sum()) for s in salient for i in hidden) / (2 * len(hidden))
    expected = align_c + sum(uniformity(c) for c in common)
    expected += 10 * (align_s + sum(uniformity(s) for s in silent)) + 10 * nothing
    expected += 10 * sum(joint(c, s) for c, s in zip(common, salient, strict=True)) / 2
    assert stage("SepCLR").objective()(q, k).item() == pytest.approx(expected, rel=1e-4)


def test_joint_entropy_is_larger_where_the_parts_are_independent():
    torch.manual_seed(0)
    a, b = 3 * torch.randn(200, 1), 3 * torch.randn(200, 1)
    # less is more entropy
    assert KernelEntropy()(torch.cat([a, b], 1)) < KernelEntropy()(torch.cat([a, a], 1)) - 0.3


def test_backgrounds_are_targets_without_digits():
    train, _ = patterned(0)
    plain = train.pixels[train.columns["target"] == 0]
    assert float(plain.max()) <= 0.5 < float(train.pixels[train.columns["target"] == 1].max())
    assert sorted(train.columns["pattern"].unique().tolist()) == [0, 1, 2, 3]
    z = Spaces(8)(torch.randn(3, 8))
    assert torch.allclose(z[:, :SPACE].norm(dim=1), torch.ones(3))
