"""A head twice: both are the same numbers, and only the first one's gradient reaches the representation."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.heads import AlsoStopped


def test_both_are_the_same_and_the_second_trains_the_head_only():
    torch.manual_seed(0)
    head, h = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    z = AlsoStopped(head)(h)
    assert torch.equal(z[:, 0], z[:, 1])
    first, second = (torch.autograd.grad(z[:, i].square().sum(), [h, head.weight], retain_graph=True) for i in (0, 1))
    assert first[0].norm() > 0
    assert second[0].norm() == 0
    torch.testing.assert_close(first[1], second[1])
