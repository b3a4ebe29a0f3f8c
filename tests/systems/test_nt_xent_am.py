"""NT-Xent-AM: the additive margin lowers the positive; both views are anchors, on the representation itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from counterpoint.systems.core.nt_xent_am import nt_xent, nt_xent_am, with_identities
from counterpoint.testbeds import DIGITS
from systems.through import same, step_of


def loop(step, margin, t=1 / 30):
    z = F.normalize(torch.cat(step.z()), dim=1)
    n, total = len(z) // 2, torch.zeros(())
    for i in range(2 * n):
        s = [z[i] @ z[k] / t - (margin / t if k == (i + n) % (2 * n) else 0) for k in range(2 * n)]
        total = total - s[(i + n) % (2 * n)] + torch.logsumexp(torch.stack([s[k] for k in range(2 * n) if k != i]), 0)
    return total / (2 * n)


def test_loss_is_nt_xent_with_the_positive_lowered():
    step = step_of("nt-xent-am")
    same(step, loop(step, 0.1))
    assert abs((loop(step, 0.1) - loop(step, 0.0)).item()) > 0.1


def test_the_baseline_has_no_margin_and_both_have_the_temperature_they_are_given():
    step = step_of(nt_xent(), DIGITS.parts(0)[0])
    same(step, loop(step, 0.0))
    step = step_of(nt_xent_am(0.2), DIGITS.parts(0)[0])
    same(step, loop(step, 0.1, 0.2))


def test_the_loss_is_on_the_representation_of_random_views():
    step = step_of("nt-xent-am")
    assert step.layers() == ["Identity"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_what_could_be_reached_knows_identities():
    assert with_identities().takes.schemas == ("labelled",)
    step = step_of(with_identities(), DIGITS.parts(0)[0], n=16)
    z = F.normalize(torch.cat(step.z()), dim=1)
    y = step.calls[0]["queries"].columns["label"].repeat(2)
    log_p = torch.log_softmax((z @ z.T / 0.1).masked_fill(torch.eye(32, dtype=torch.bool), -1e9), 1)
    alike = (y[:, None] == y) & ~torch.eye(32, dtype=torch.bool)
    same(step, -((log_p * alike).sum(1) / alike.sum(1)).mean())
