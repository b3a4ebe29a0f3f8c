"""Xue et al.: what linear encoders learn by either loss and by both, against the minimiser in closed form."""

from __future__ import annotations

import pytest
import torch

from counterpoint.points import Points
from counterpoint.systems.core import _features
from counterpoint.systems.core.simplicity_bias import by_label, by_view
from systems.stages import stage
from systems.views_of_digits import seen_by

STRENGTHS, NOISE = (1.0, 0.8, 2.0, 2.0, 2.0), 0.5
CLASS, SUBCLASS, EASY = 0, 1, slice(2, 5)


def minimiser(supervised, unsupervised, width):
    """`W^T W` on the features: the top of M^-1/2 M+ M^-1/2, which is diagonal here, scaled back."""
    square = torch.tensor(STRENGTHS).square()
    covariance = square + NOISE**2
    mine = torch.zeros(5)
    mine[CLASS] = square[CLASS]
    positive = supervised * mine + unsupervised * square
    values = positive / covariance
    kept = values >= values.sort(descending=True).values[min(width, 5) - 1] - 1e-6
    return torch.where(kept, values / covariance, 0.0)


def learned(objective, width):
    x, present = _features.features(2000, STRENGTHS, 0)
    view = _features.noisy(NOISE)
    model = _features.fitted(x, present[:, CLASS], objective, view=view, width=width, steps=300, seed=0)
    weight = model[0].weight.detach()
    return (weight.T @ weight).diagonal()


@pytest.mark.parametrize(
    ("name", "shares", "width"),
    [("labels", (1, 0), 8), ("views", (0, 1), 3), ("views, wide", (0, 1), 8), ("both, wide", (0.5, 0.5), 8)],
)
def test_minimisers_have_the_features_that_the_theory_says(name, shares, width):
    both = stage("xue-et-al-spectral").objective()
    objective = {"labels": by_label(), "both, wide": both}.get(name, by_view())
    found, wanted = learned(objective, width)[:5], minimiser(*shares, width)
    assert found == pytest.approx(wanted, abs=0.12)
    if name == "labels":
        assert found[SUBCLASS] < 0.05 < 0.5 < found[CLASS]
    if name == "views":
        assert found[CLASS] < 0.05 < 0.15 < found[EASY].min()
    if "wide" in name:
        assert found.min() > 0.1


def test_the_joint_loss_is_half_of_each():
    config, arguments, z = seen_by("xue-et-al-simplicity-bias", 12)
    labels = torch.cat([arguments["queries"].columns["label"], arguments["keys"].columns["label"]])
    n, total = len(z) // 2, 0.0
    for i in range(2 * n):
        for temperature, positives in ((0.1, [j for j in range(2 * n) if labels[j] == labels[i] and j != i]),
                                       (0.5, [(i + n) % (2 * n)])):  # fmt: skip
            s = [float(z[i] @ z[j]) / temperature for j in range(2 * n)]
            log_z = torch.logsumexp(torch.tensor([s[j] for j in range(2 * n) if j != i]).double(), 0).item()
            total += 0.5 * (log_z - sum(s[j] for j in positives) / len(positives))
    assert config.objective()(**arguments).item() == pytest.approx(total / (2 * n), rel=1e-4)


def test_supervised_spectral_loss_has_every_pair_as_a_negative():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = torch.tensor([0, 0, 1, 1])
    points = Points(z, label=label, sample=torch.arange(4))
    scores = z @ z.T
    same = (label[:, None] == label).double()
    wanted = -2 * (scores * same).sum() / same.sum() + scores.square().mean()
    torch.testing.assert_close(by_label()(points, points), wanted)
    torch.testing.assert_close(by_view()(points, points), -2 * scores.diagonal().mean() + scores.square().mean())
