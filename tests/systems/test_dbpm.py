"""DBPM: the history of each pair's losses, who is judged bad, and by how much its loss shrinks."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.objectives import BadPairs, InfoNCE
from counterpoint.points import Points
from counterpoint.systems.core import dbpm
from counterpoint.systems.core._digits import as_rows
from systems.stages import stage


def test_weights_follow_the_history_as_by_hand():
    g, n = torch.Generator().manual_seed(0), 6
    objective = BadPairs(InfoNCE(0.5), n, warmup=2, noisy=1.0, faulty=1.0).double()
    history = {i: [] for i in range(n)}
    for step in range(4):
        q, k = (F.normalize(torch.randn(n, 4, generator=g, dtype=torch.float64), dim=1) for _ in range(2))
        q[0] = k[0] = F.one_hot(torch.tensor(step), 4).double()  # always easy
        q[1] = -k[1]  # always hard
        ids = torch.randperm(n, generator=g)
        ids = torch.cat([torch.tensor([0, 1]), ids[ids > 1]])
        losses = F.cross_entropy(q @ k.T / 0.5, torch.arange(n), reduction="none").tolist()
        means = [sum(h) / len(h) for h in history.values() if h]
        total = 0.0
        for i, loss in zip(ids.tolist(), losses, strict=True):
            weight = 1.0
            if len(history[i]) >= 2:
                mu = sum(means) / n
                sd = math.sqrt(sum((m - mu) ** 2 for m in means) / n)
                m = sum(history[i]) / len(history[i])
                if m <= mu - sd or m >= mu + sd:
                    weight = math.exp(-((loss - mu) ** 2) / (2 * sd**2)) / (sd * math.sqrt(2 * math.pi))
            total += weight * loss
        found = objective(Points(q, sample=ids), Points(k, sample=ids)).item()
        assert found == pytest.approx(total / n, rel=1e-6)
        judged = step >= 2
        assert (found != pytest.approx(sum(losses) / n, rel=1e-3)) == judged
        for i, loss in zip(ids.tolist(), losses, strict=True):
            history[i].append(loss)


def test_evaluation_remembers_nothing_and_unknown_samples_are_said():
    objective = BadPairs(InfoNCE(0.5), 4).eval()
    objective(torch.eye(4), torch.eye(4))
    assert float(objective.number.sum()) == 0
    with pytest.raises(InputError, match="samples 0 to 3"):
        objective(torch.eye(5), torch.eye(5))


def test_bad_pairs_are_planted_as_said():
    train, test = dbpm.planted(0)
    assert "other" not in test.columns
    other, own = train.columns["other"], torch.arange(len(train))
    noise, fine = other < 0, other == own
    assert float(noise.float().mean()) == pytest.approx(0.1, abs=0.05)
    assert float((~noise & ~fine).float().mean()) == pytest.approx(0.2, abs=0.05)
    (prepare,) = dbpm.planted_dbpm().stages[0].prepare
    data = prepare(as_rows(train), None, 0)
    first, second = data.anchors.tensor, data.others.tensor[data.positives[:, 0]]
    assert torch.equal(first[~noise], train.pixels[~noise])
    assert torch.equal(second[~noise], train.pixels[other[~noise]])
    assert abs(float(torch.corrcoef(torch.stack([first[noise].flatten(), second[noise].flatten()]))[0, 1])) < 0.05
    assert isinstance(stage("dbpm").objective(), BadPairs)
