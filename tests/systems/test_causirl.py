"""CausIRL: cross-entropy, and a naive MMD and CORAL between two random mixtures, each of all domains."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.procedures import CutDomains
from counterpoint.systems import get
from counterpoint.systems.core.causirl import between_domains
from counterpoint.testbeds import DIGITS
from counterpoint.testbeds.domains import TURNED_DIGITS
from systems.through import same, step_of


def mmd(x, y):
    """By loops over pairs."""

    def kernel(a, b):
        square = (a - b).square().sum()
        return sum((-(10.0**g) * square).exp() for g in range(-3, 4))

    def mean(a, b):
        return sum(kernel(u, v) for u in a for v in b) / (len(a) * len(b))

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def coral(x, y):
    """Means and covariances, entry by entry."""

    def covariance(a):
        d = a - a.mean(0)
        return sum(torch.outer(row, row) for row in d) / (len(a) - 1)

    return (x.mean(0) - y.mean(0)).square().mean() + (covariance(x) - covariance(y)).square().mean()


def parts(step):
    """Representations and logits of both views, with a gradient."""
    h = step.network[0](step.payload.inputs)
    z = step.network(step.payload.inputs)
    torch.testing.assert_close(z[:, : h.shape[1]], h)
    return z[:, : h.shape[1]], z[:, h.shape[1] :]


def both(step, column):
    (call,) = step.calls
    return torch.cat([call[side].columns[column] for side in ("queries", "keys")])


@pytest.mark.parametrize(("name", "distance"), [("CausIRL", mmd), ("CausIRL, CORAL", coral)])
@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_loss_is_cross_entropy_and_the_discrepancy_of_two_mixtures(name, distance, weight):
    method = get(name).method() if weight == 1 else get(name).method(weight)
    step = step_of(method, TURNED_DIGITS.parts(0)[0], n=12)
    h, logits = parts(step)
    mixture = both(step, "mixture")
    assert sorted(mixture.unique().tolist()) == [0, 1]
    penalty = distance(h[mixture == 0], h[mixture == 1])
    same(step, F.cross_entropy(logits, both(step, "label")) + weight * penalty)


def test_the_baseline_matches_every_pair_of_domains():
    step = step_of(between_domains(), TURNED_DIGITS.parts(0)[0], n=12)
    h, logits = parts(step)
    domain = both(step, "domain")
    groups = [h[domain == d] for d in domain.unique()]
    pairs = [mmd(x, y) for i, x in enumerate(groups) for y in groups[i + 1 :]]
    same(step, F.cross_entropy(logits, both(step, "label")) + sum(pairs) / len(pairs))


def test_cuts_are_random_and_of_each_domain():
    torch.manual_seed(0)
    points, shares = Points(torch.zeros(24, 2), domain=torch.arange(24) // 6), []
    for _ in range(200):
        (call,) = CutDomains("domain")([{"queries": points}], lambda _model: {})
        shares.append(call["queries"].columns["mixture"].view(4, 6).sum(1))
    shares = torch.stack(shares)
    # at least one point of each domain is in the second mixture, any number may be
    assert [sorted(set(column.tolist())) for column in shares.T] == [[1, 2, 3, 4, 5, 6]] * 4
    assert abs(float(torch.corrcoef(shares.T.float())[0, 1])) < 0.2


@pytest.mark.parametrize("name", ["CausIRL", "CausIRL, CORAL"])
def test_data_need_domains_and_not_too_many_classes_and_views_are_random(name):
    with pytest.raises(InputError, match="domain"):
        step_of(name, DIGITS.parts(0)[0])
    rows = TURNED_DIGITS.parts(0)[0][torch.arange(8)]
    rows.columns["label"][0] = 10
    with pytest.raises(InputError, match="11 classes"):
        step_of(name, rows)
    first, second = step_of(name).views()
    assert not torch.isclose(first, second, atol=0.02).all(dim=(1, 2, 3)).any()
