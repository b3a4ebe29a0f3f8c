"""DCL: NT-Xent without the positive in the denominator, so that its gradient has no common factor."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.methods import Recipe
from counterpoint.objectives import InfoNCE
from counterpoint.systems import get
from counterpoint.systems.core.dcl import dcl, small_dcl, small_simclr
from systems.through import same, step_of


def loop(views, weigh):
    """Equation 6 and 7 for each of the 2n views, the positive weighed."""
    n, total = len(views) // 2, torch.zeros(())
    z = F.normalize(views, dim=1)
    for i in range(2 * n):
        own = (i + n) % (2 * n)
        negatives = torch.stack([z[i] @ z[k] / 0.1 for k in range(2 * n) if k not in (i, own)])
        total = total - weigh(z, i % n) * (z[i] @ z[own]) / 0.1 + torch.logsumexp(negatives, 0)
    return total / (2 * n)


def test_loss_is_that_of_a_naive_loop_without_the_positive_in_the_denominator():
    step = step_of("dcl")
    same(step, loop(torch.cat(step.z()), lambda _z, _i: 1.0))


def test_the_weighed_one_counts_easy_positives_less():
    def weight(z, i):
        n = len(z) // 2
        each = torch.stack([((z[k] @ z[k + n]) / 0.5).exp() for k in range(n)])
        return 2 - each[i] / each.mean()

    step = step_of("dclw")
    same(step, loop(torch.cat(step.z()), weight))


@pytest.mark.parametrize("name", ["dcl", "dclw"])
def test_head_and_views_are_simclr_s(name):
    step = step_of(name)
    assert step.layers() == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    first, second = step.views()
    assert not torch.isclose(first, second).all(dim=(1, 2, 3)).any()


def test_small_batches_differ_from_the_method_in_nothing_else():
    small, whole = (make().stages[-1].train for make in (small_dcl, dcl))
    assert (small.batch_size, whole.batch_size) == (32, 256)
    assert small_simclr().stages[-1].train == small
    assert type(small_simclr(0.2).stages[-1].objective()) is InfoNCE
    for make in (small_dcl, small_simclr):
        assert isinstance(make(), Recipe)
        assert make(0.2).stages[-1].objective().temperature == 0.2


def test_an_easy_positive_does_not_weaken_the_gradient():
    # the paper's point: InfoNCE multiplies the gradient by 1 minus the positive's probability, DCL does not
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.1]], requires_grad=True)
    k = torch.tensor([[1.0, 0.05], [-1.0, 0.0]])
    norms = {}
    for name in ("dcl", "simclr"):
        loss = get(name).method().stages[-1].objective()
        loss.layout, loss.temperature = "one-way", 0.1
        norms[name] = float(torch.autograd.grad(loss(q, k), q)[0].norm())
    assert norms["dcl"] > 1e3 * norms["simclr"]
