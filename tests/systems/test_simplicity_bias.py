"""Xue et al.: what linear encoders learn by either loss and by both, against the minimiser in closed form."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.core import simplicity_bias as arms
from counterpoint.systems.core._linear import by_label, by_view
from counterpoint.testbeds import Trained
from counterpoint.testbeds.coarse import COARSE_DIGITS
from counterpoint.testbeds.synthetic import BIASED_FEATURES, NOISE
from systems.through import same, step_of

CLASS, SUBCLASS, EASY = 0, 1, slice(2, 8)
STRENGTHS = torch.tensor([1.0, 1.0] + [2.0] * 6)


def minimiser(supervised, unsupervised, width, kept=1.0):
    """`W^T W` on the features: the top of M^-1/2 M+ M^-1/2, which is diagonal here, scaled back.

    Of an easy feature whose sign views draw anew, `kept` is 0: two views have nothing of it in common.
    """
    square = STRENGTHS.square()
    covariance = square + NOISE**2
    mine, views = torch.zeros(8), square.clone()
    mine[CLASS], views[EASY] = square[CLASS], square[EASY] * kept
    values = (supervised * mine + unsupervised * views) / covariance
    return values / covariance, values.argsort(descending=True)[:width]


def test_arms_are_as_wide_as_they_say():
    data = BIASED_FEATURES.parts(0)[0]
    widths = {arm: getattr(arms, arm)().started(data, 0).dim for arm in vars(arms) if arm.endswith(("narrow", "wide"))}
    assert widths == {"labels_wide": 16, "views_narrow": 4, "views_wide": 16, "both_narrow": 4, "both_wide": 16}


def test_the_joint_loss_is_half_of_each():
    torch.manual_seed(0)
    step = step_of("xue-et-al-simplicity-bias", n=12)
    z, label = F.normalize(torch.cat(step.z()), dim=1), COARSE_DIGITS.parts(0)[0].columns["label"]
    (call,) = step.calls
    labels = torch.cat([call["queries"].columns["label"], call["keys"].columns["label"]])
    assert labels.unique().numel() == label.unique().numel() == 2
    n, total = len(z) // 2, torch.zeros(())
    for i in range(2 * n):
        for temperature, positives in ((0.1, [j for j in range(2 * n) if labels[j] == labels[i] and j != i]),
                                       (0.5, [(i + n) % (2 * n)])):  # fmt: skip
            s = [z[i] @ z[j] / temperature for j in range(2 * n)]
            log_z = torch.logsumexp(torch.stack([s[j] for j in range(2 * n) if j != i]), 0)
            total = total + 0.5 * (log_z - sum(s[j] for j in positives) / len(positives))
    same(step, total / (2 * n))


def test_head_and_views_are_simclr_s():
    step = step_of("xue-et-al-simplicity-bias")
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert not torch.equal(*step.views())


def test_labels_alone_and_the_ceiling_have_one_term():
    assert type(arms.labels_alone(0.2).stages[0].objective()).__name__ == "SupCon"
    assert arms.labels_alone(0.2).stages[0].objective().temperature == 0.2
    step = step_of(arms.fine_labels(), COARSE_DIGITS.parts(0)[0])
    z = F.normalize(torch.cat(step.z()), dim=1)
    (call,) = step.calls
    fine = torch.cat([call["queries"].columns["fine"], call["keys"].columns["fine"]])
    total = torch.zeros(())
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        s = {j: z[i] @ z[j] / 0.1 for j in others}
        mine = [j for j in others if fine[j] == fine[i]]
        total = total + torch.logsumexp(torch.stack(list(s.values())), 0) - sum(s[j] for j in mine) / len(mine)
    same(step, total / len(z))
    assert {c.baseline.make.__name__ for c in get("xue et al simplicity bias").claims} >= {"labels_alone"}


def test_supervised_spectral_loss_has_every_pair_as_a_negative():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = torch.tensor([0, 0, 1, 1])
    points = Points(z, label=label, sample=torch.arange(4))
    scores = z @ z.T
    alike = (label[:, None] == label).double()
    wanted = -2 * (scores * alike).sum() / alike.sum() + scores.square().mean()
    torch.testing.assert_close(by_label()(points, points), wanted)
    torch.testing.assert_close(by_view()(points, points), -2 * scores.diagonal().mean() + scores.square().mean())


@pytest.fixture(scope="module")
def learned():
    """The diagonal of `W^T W` after a shorter training, by the arm's name."""
    bed = replace(BIASED_FEATURES, steps=120, settings=BIASED_FEATURES.settings | {"learning_rate": 0.08})
    parts, found = bed.parts(0), {}
    for arm in (arms.labels_wide, arms.views_narrow, arms.views_wide, arms.views_disrupted, arms.both_wide):
        weight = Trained(arm).made(bed, parts, 0).encoder.weight.detach()
        found[arm.__name__] = (weight.T @ weight).diagonal()
    return found


@pytest.mark.parametrize(
    ("name", "shares", "width"),
    [
        ("labels_wide", (1, 0), 16),
        ("views_wide", (0, 1), 16),
        ("both_wide", (0.5, 0.5), 16),
        ("views_disrupted", (0, 1, 4, 0.0), 4),
    ],
)
def test_minimisers_have_the_features_that_the_theory_says(learned, name, shares, width):
    found = learned[name]
    wanted, _ = minimiser(*shares) if len(shares) == 4 else minimiser(*shares, width)
    assert found[:8] == pytest.approx(wanted, abs=0.06)
    assert found[8:].max() < 0.02
    if name == "labels_wide":
        assert found[SUBCLASS] < 0.01 < 0.6 < found[CLASS]


def test_narrow_views_leave_the_class_and_the_subclass_out(learned):
    """Six easy features of equal value share four dimensions."""
    found = learned["views_narrow"]
    value = minimiser(0, 1, 4)[0][EASY][0]
    assert float(found[EASY].sum()) == pytest.approx(4 * float(value), rel=0.15)
    assert found[[CLASS, SUBCLASS]].max() < 0.02
