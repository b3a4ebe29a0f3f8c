"""PAL: one loss on a graph; views alone make it SimCLR, labels make it SupCon, answers make what is between."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.core import pal
from counterpoint.testbeds import DIGITS
from systems.through import same, small, step_of

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])


def data(labels=LABELS):
    rows = DIGITS.parts(0)[0][torch.arange(8)]
    return replace(rows, columns={"label": labels})


def naive(step):
    """NT-Xent of the edges of the batch; a copy of either end of an edge repels neither."""
    z, (call,) = F.normalize(torch.cat(step.z()), dim=1), step.calls
    n = len(call["queries"])
    edges = torch.cat([call[side].columns["sample"] for side in ("queries", "keys")]).tolist()
    item = torch.cat([call[side].columns["input"] for side in ("queries", "keys")]).tolist()
    # the other end of the edge that a point is of
    other = item[n:] + item[:n]
    total = torch.zeros(())
    for i in range(2 * n):
        e = (z @ z[i] / 0.5).exp()
        p = (i + n) % (2 * n)
        assert edges[p] == edges[i]
        copies = [k for k in range(2 * n) if item[k] in (item[i], other[i]) or other[k] == item[i]]
        bottom = e[p] + sum(e[k] for k in range(2 * n) if k not in copies)
        total = total - (e[p] / bottom).log() / (2 * n)
    return total


@pytest.mark.parametrize("name", ["PAL", "PAL, random questions"])
def test_loss_is_that_of_a_naive_loop_over_edges(name):
    step = step_of(name, data(torch.zeros(8, dtype=torch.long)))
    (call,) = step.calls
    partners = (call["queries"].columns["input"] != call["keys"].columns["input"]).sum()
    assert int(partners) == 3  # 0.4 of 8 were asked about, and all are the same
    same(step, naive(step))


def test_simclr_and_supcon_are_choices_of_the_graph():
    step = step_of(pal.unanswered(), data())
    (call,) = step.calls
    assert torch.equal(call["queries"].columns["input"], call["keys"].columns["input"])
    z, n = F.normalize(torch.cat(step.z()), dim=1), 8
    nt_xent = F.cross_entropy((z @ z.T / 0.5).fill_diagonal_(-torch.inf), torch.arange(2 * n).roll(n))
    same(step, nt_xent)
    # with every answer each picture is drawn to another one of its class
    step = step_of(pal.every_answer(), data())
    (call,) = step.calls
    rows = DIGITS.parts(0)[0][torch.arange(8)].anchors.hashes()[:8].tolist()
    ends = [[rows.index(h) for h in call[side].columns["input"].tolist()] for side in ("queries", "keys")]
    assert all(i != j and LABELS[i] == LABELS[j] for i, j in zip(*ends, strict=True))
    same(step, naive(step))


def test_the_learner_asks_about_its_nearest_as_it_sees_it():
    rows = data(torch.zeros(8, dtype=torch.long))
    torch.manual_seed(0)
    encoder = small(rows)
    stage = get("PAL").method().stages[1]
    paired = stage.prepare[0](rows, encoder, 3)
    z = F.normalize(torch.from_numpy(encoder.encode(rows.anchors.tensor[:8])), dim=1)
    near = (z @ z.T).fill_diagonal_(-1).argmax(1)
    chosen = torch.randperm(8, generator=torch.Generator().manual_seed(3))[:3]
    wanted = torch.arange(8)
    wanted[chosen] = near[chosen]
    assert paired.positives[:, 0].tolist() == wanted.tolist()
    # the passive learner asks about the same pictures, and another row of each
    random = get("PAL, random questions").method().stages[1].prepare[0](rows, encoder, 3).positives[:, 0]
    assert (random != torch.arange(8)).nonzero()[:, 0].tolist() == chosen.sort().values.tolist()


@pytest.mark.parametrize("name", ["PAL", "PAL, random questions"])
def test_both_halves_train_on_views_with_simclrs_head(name):
    first, second = get(name).method().stages
    assert first.prepare == ()
    assert (first.train, first.view, first.head) == (second.train, second.view, second.head)
    step = step_of(replace(get(name).method(), stages=(first,)), data())
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    z = F.normalize(torch.cat(step.z()), dim=1)
    same(step, F.cross_entropy((z @ z.T / 0.5).fill_diagonal_(-torch.inf), torch.arange(16).roll(8)))
    step_two = step_of(get(name).method(), data())
    assert step_two.layers() == step.layers()
    for seen in (step, step_two):
        views, pixels = torch.cat(seen.views()), data().anchors.tensor[:8]
        distance = torch.cdist(views.flatten(1), pixels.flatten(1))
        assert float(distance.min()) > 1e-3


def test_wrong_answers_are_as_many_edges_of_other_pictures():
    rows = DIGITS.parts(0)[0][torch.arange(200)]
    encoder = small(rows)
    right, wrong = (m().stages[1].prepare[0](rows, encoder, 0).positives[:, 0] for m in (pal.pal, pal.wrong_answers))
    answered = (right != torch.arange(200)).nonzero()[:, 0]
    label = rows.columns["label"]
    assert sorted(right[answered].tolist()) == sorted(wrong[answered].tolist())
    assert torch.equal(label[right], label)
    assert float((label[wrong] == label)[answered].float().mean()) < 0.5
