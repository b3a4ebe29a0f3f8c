"""Core-tuning: mixtures from the hardest pairs; soft cross-entropy and focal SupCon by naive loops."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import FocalSupCon, SupCon
from counterpoint.points import Points
from counterpoint.procedures import MixHardPairs
from counterpoint.systems.core.core_tuning import CONTRAST, fine_tuned, random_pairs
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def data():
    rows = DIGITS.parts(0)[0][torch.arange(9)]
    return replace(rows, columns={"label": torch.arange(9) % 3})


def mixed(step):
    """The features and their mixtures, made again with a gradient from what the step's columns say."""
    (call,) = step.calls
    z, seen, n = step.network(step.payload.inputs), call["queries"], len(step.payload.inputs)
    y, share = seen.columns["label"][:n], seen.columns["share"]
    unit = F.normalize(z.detach(), dim=1)
    rows = [z]
    for i in range(n):
        far = min((j for j in range(n) if y[j] == y[i]), key=lambda j: float(unit[i] @ unit[j]))
        near = max((j for j in range(n) if y[j] != y[i]), key=lambda j: float(unit[i] @ unit[j]))
        a = share[n + i]
        rows.append((a * z[far] + (1 - a) * z[near])[None])
        assert (seen.columns["label"][n + i], seen.columns["other"][n + i]) == (y[i], y[near])
    b = share[2 * n :, None]
    assert 0.8 - 1e-6 <= float(b.min()) < float(b.max()) <= 1
    width = z.shape[1]
    drawn = (seen.z.detach()[2 * n :, :width] - (1 - b) * z.detach()) / b
    place = torch.cdist(drawn, z.detach()).argmin(1)
    assert sorted(place.tolist()) == list(range(n))
    rows.append(b * z[place] + (1 - b) * z)
    assert torch.equal(seen.columns["label"][2 * n :], y[place])
    assert torch.equal(seen.columns["other"][2 * n :], y)
    every = torch.cat(rows)
    torch.testing.assert_close(seen.z[:, :width], every.detach(), atol=1e-4, rtol=1e-3)
    return every


@pytest.mark.parametrize("name", ["Core-tuning"])
def test_loss_is_that_of_a_naive_loop_over_mixtures(name):
    step = step_of(name, data(), n=9)
    every, (call,) = mixed(step), step.calls
    assert "keys" not in call
    assert len(every) == 27  # one view a picture
    contrast, classifier = step.procedure.network.heads
    y, other, share = (call["queries"].columns[column] for column in ("label", "other", "share"))
    soft = share[:, None] * F.one_hot(y, 10) + (1 - share)[:, None] * F.one_hot(other, 10)
    total = F.cross_entropy(classifier(every), soft)
    c = F.normalize(contrast(every), dim=1)
    assert c.shape[1] == CONTRAST
    for i in range(len(c)):
        others = [j for j in range(len(c)) if j != i]
        p = torch.softmax(torch.stack([c[i] @ c[j] for j in others]) / 0.07, 0)
        terms = [(1 - p[k]) * p[k].log() for k, j in enumerate(others) if y[j] == y[i]]
        total = total - 0.1 * sum(terms) / len(terms) / len(c)
    same(step, total, rtol=1e-3)


def test_heads_are_as_theirs_and_learn_with_the_encoder():
    step = step_of("Core-tuning", data(), n=9)
    contrast, classifier = step.procedure.network.heads
    assert [type(layer).__name__ for layer in contrast] == ["Linear", "ReLU", "Linear"]
    assert classifier.bias is None
    assert step.layers() == ["Identity"]
    assert not torch.isclose(step.payload.inputs, data().anchors.tensor[:9], atol=0.02).all(dim=(1, 2, 3)).any()


def test_the_baseline_is_cross_entropy_on_one_view():
    step = step_of(fine_tuned(), data(), n=9)
    logits, (call,) = step.network(step.payload.inputs), step.calls
    assert len(logits) == 9
    same(step, F.cross_entropy(logits, call["queries"].columns["label"]))


def test_random_pairs_are_not_the_hardest():
    assert not step_of(random_pairs(), data(), n=9).procedure.hard
    torch.manual_seed(0)
    points = Points(torch.randn(30, 4), label=torch.arange(30) % 3)
    hard, soft = (
        MixHardPairs(nn.Identity(), hard=hard)([{"queries": points}], lambda _model: {})[0]["queries"]
        for hard in (True, False)
    )
    again = MixHardPairs(nn.Identity(), hard=False)([{"queries": points}], lambda _model: {})[0]["queries"]
    y = points.columns["label"]
    for seen in (hard, soft):
        assert torch.equal(seen.columns["label"][30:60], y)
        assert (seen.columns["other"][30:60] != y).all()
    # the other class is that of the nearest, or any
    assert not torch.equal(soft.columns["other"][30:60], hard.columns["other"][30:60])
    assert not torch.equal(soft.columns["other"][30:60], again.columns["other"][30:60])


def test_without_focus_it_is_supcon_and_with_it_known_pairs_count_less():
    torch.manual_seed(0)
    points = Points(torch.randn(8, 4), label=torch.arange(8) % 2)
    assert FocalSupCon(0.5, focus=0.0)(points).item() == pytest.approx(SupCon(0.5)(points).item(), rel=1e-6)
    assert FocalSupCon(0.5)(points) < SupCon(0.5)(points)
    with pytest.raises(ValueError, match="share"):
        MixHardPairs(nn.Identity(), least=1.5)


def test_more_classes_than_it_has_are_refused():
    rows = data()
    rows.columns["label"][0] = 10
    with pytest.raises(InputError, match="11 classes"):
        step_of("Core-tuning", rows)
