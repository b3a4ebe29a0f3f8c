"""Two gradients and the shortest of their means, against a search for it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.errors import InputError
from counterpoint.objectives import MGDA, InfoNCE, Logits, Sum, Uniformity
from counterpoint.objectives._base import PointObjective
from counterpoint.points import Points


class Toward(PointObjective):
    """Half of the squared distance from a place, of what it learns to add."""

    def __init__(self, place):
        super().__init__()
        self.place, self.more = torch.tensor(place), nn.Parameter(torch.zeros(2))

    def whole(self, queries, keys, i, j):
        return (queries.z + self.more - self.place).square().sum() / 2


def pulled(first, second):
    """The gradient of a point on the unit circle, where the geometry leaves it, and of what each learns."""
    z = torch.tensor([[1.0, 0.0]], requires_grad=True)
    both = MGDA(Toward(first), Toward(second))
    for term in both.objectives:
        term.geometry = _As()
    value = both(Points(z, sample=torch.zeros(1).long()))
    value.backward()
    return value.item(), z.grad[0], [term.more.grad for term in both.objectives], float(both.share)


class _As(nn.Module):
    def prepare(self, z):
        return z


@pytest.mark.parametrize(
    ("first", "second", "share", "gradient"),
    [
        # at right angles, as long: half of each
        ((0.0, 0.0), (1.0, 1.0), 0.5, (0.5, -0.5)),
        # the longer one is followed less
        ((-1.0, 0.0), (1.0, 1.0), 0.2, (0.4, -0.8)),
        # one way: the shorter alone
        ((-3.0, 0.0), (0.0, 0.0), 0.0, (1.0, 0.0)),
        ((0.0, 0.0), (-3.0, 0.0), 1.0, (1.0, 0.0)),
        # opposite: nothing that both gain by
        ((0.0, 0.0), (3.0, 0.0), 2 / 3, (0.0, 0.0)),
        # the same
        ((0.0, 0.0), (0.0, 0.0), 0.5, (1.0, 0.0)),
    ],
)
def test_the_shortest_mean_of_two_gradients_by_hand(first, second, share, gradient):
    value, found, learned, said = pulled(first, second)
    assert said == pytest.approx(share)
    torch.testing.assert_close(found, torch.tensor(gradient))
    # its own gradient is whole
    own = [torch.tensor([1.0, 0.0]) - torch.tensor(place) for place in (first, second)]
    torch.testing.assert_close(learned, own)
    assert value == pytest.approx(sum(float(g.square().sum()) / 2 for g in own))


def test_a_step_lowers_both():
    torch.manual_seed(0)
    z, k = torch.randn(6, 4, dtype=torch.float64, requires_grad=True), torch.randn(6, 4, dtype=torch.float64)
    terms = InfoNCE(0.5), Uniformity()
    before = [term(z, k).item() for term in terms]
    both = MGDA(*terms)
    both(z, k).backward()
    after = [term(z.detach() - 1e-4 * z.grad, k).item() for term in terms]
    assert 0 < float(both.share) < 1
    assert all(b < a for a, b in zip(before, after, strict=True))


def test_blocks_give_the_same_and_without_gradient_it_is_the_sum():
    torch.manual_seed(0)
    z, y = torch.randn(2, 7, 4).double().unbind(), torch.arange(7)
    found = []
    for block in (0, 2):
        sides = [part.clone().requires_grad_() for part in z]
        value = MGDA(InfoNCE(0.5), Logits(4))(*(Points(side, sample=y, label=y % 4) for side in sides), block=block)
        value.backward()
        found.append((value, *(side.grad for side in sides)))
    torch.testing.assert_close(*found)
    points = [Points(side, sample=y, label=y % 4) for side in z]
    assert torch.equal(MGDA(InfoNCE(0.5), Logits(4))(*points), Sum(InfoNCE(0.5), Logits(4))(*points))


def test_rows_have_no_value_of_their_own():
    with pytest.raises(InputError, match="two gradients are weighed"):
        MGDA(InfoNCE(), InfoNCE())(torch.eye(2), torch.eye(2), reduction="none")


def test_both_sides_count_in_the_length():
    q, k = (torch.randn(5, 3, generator=torch.Generator().manual_seed(s)).double().requires_grad_() for s in (1, 2))
    both = MGDA(InfoNCE(0.2), Uniformity())
    both(q, k).backward()
    g1, g2 = (torch.cat([g.flatten() for g in torch.autograd.grad(term(q, k), (q, k))]) for term in both.objectives)
    shares = torch.linspace(0, 1, 2001, dtype=torch.float64)
    lengths = torch.lerp(g2, g1, shares[:, None]).norm(dim=1)
    assert float(both.share) == pytest.approx(float(shares[lengths.argmin()]), abs=1e-3)
    wanted = torch.lerp(g2, g1, both.share)
    torch.testing.assert_close(torch.cat([q.grad.flatten(), k.grad.flatten()]), wanted)
    assert not F.cosine_similarity(g1, g2, dim=0) > 1 - 1e-6
