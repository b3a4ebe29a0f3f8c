"""Miners and pools against loops over a row, at their edges, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.engine import Block
from counterpoint.errors import InputError
from counterpoint.geometry import Euclidean, Lp, Modulus
from counterpoint.objectives import (
    AngularSoftmax,
    Balance,
    CodingRate,
    CovarianceContrast,
    DynamicTriplet,
    FastAP,
    Guide,
    Histogram,
    InfoNCE,
    Mined,
    Pairs,
    PairVariance,
    Pool,
    Pooled,
    Proxies,
    Ranking,
    SIGReg,
    below_the_guide,
    between,
    by_distance,
    even_scores,
    hardest_share,
    near_the_other_side,
    pick,
    self_adversarial,
    softmax_weighted,
)
from counterpoint.points import Points
from objectives import naive

MINERS = {
    "pick": pick("hard", "hard"),
    "easy": pick("easy", "semi-hard"),
    "near": near_the_other_side(),
    "distance": by_distance(5),
    "softmax": softmax_weighted(),
    "between": between(0.2, 0.2),
    "share": hardest_share(),
    "even": even_scores(),
}


def block(seed: int = 0, rows: int = 6, keys: int = 9) -> Block:
    """Ragged: the first row has no negative, the last no positive, the one before neither."""
    g = torch.Generator().manual_seed(seed)
    kind = torch.randint(3, (rows, keys), generator=g)
    kind[0] = kind[0].clamp_max(1)
    kind[-1] = kind[-1].clamp_min(1)
    kind[-2] = 1
    scores = -torch.rand(rows, keys, generator=g, dtype=torch.float64).requires_grad_()
    return Block(scores, ((kind == 0).double(), (kind == 2).double()))


@pytest.mark.parametrize("name", MINERS)
def test_a_miner_only_takes_away(name):
    """No new positives or negatives, finite weights, and no gradient through them."""
    before = block()
    after = MINERS[name](before)
    assert after.scores is before.scores
    for a, b in ((after.positive, before.positive), (after.negative, before.negative)):
        assert torch.isfinite(a).all()
        assert ((a >= 0) & (a <= b)).all()
        assert not a.requires_grad
    assert (after.positive.sum() + after.negative.sum()) < (before.positive.sum() + before.negative.sum())


@pytest.mark.parametrize("geometry", [Euclidean(), Lp(1), Modulus()], ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("sharpness", [0.0, 0.5, 2.0])
def test_self_adversarial(geometry, sharpness):
    """Each query with a positive and negatives of its own, some of them padding; the weights carry no gradient."""
    g = torch.Generator().manual_seed(0)
    q = torch.randn(4, 6, generator=g, dtype=torch.float64, requires_grad=True)
    k = torch.randn(4, 5, 6, generator=g, dtype=torch.float64, requires_grad=True)
    positive, valid = torch.zeros(4, 5), torch.rand(4, 5, generator=g) < 0.7
    positive[:, 0], valid[:, :2] = 1, True
    loss = self_adversarial(1.5, sharpness, geometry=geometry)(q, owned=Points(k, positive=positive, valid=valid))
    loss.backward()
    found = [loss.detach(), q.grad, k.grad]
    q, k = (z.detach().clone().requires_grad_() for z in (q, k))
    rows = [[geometry.shared(q[i : i + 1], own[None], 1.0)[0, 0] for own in k[i]] for i in range(4)]
    negative = valid & (positive == 0)
    sides = zip(rows, positive, negative, strict=True)
    naively = [naive.self_adversarial_row(s, p, n, 1.5, sharpness) for s, p, n in sides]
    wanted = sum(naively) / 4
    wanted.backward()
    torch.testing.assert_close(found, [wanted.detach(), q.grad, k.grad])


@pytest.mark.parametrize("seed", range(3))
def test_pick(seed):
    before = block(seed)
    hard, semi = pick("hard", "hard")(before), pick("easy", "semi-hard")(before)
    for i, s in enumerate(before.scores):
        p, n = ([j for j in range(len(s)) if side[i, j]] for side in (before.positive, before.negative))
        assert hard.positive[i].nonzero().flatten().tolist() == ([min(p, key=lambda j: s[j])] if p else [])
        assert hard.negative[i].nonzero().flatten().tolist() == ([max(n, key=lambda j: s[j])] if n else [])
        best = [max(p, key=lambda j: s[j])] if p else []
        below = [j for j in n if not best or s[j] < s[best[0]]]
        assert semi.positive[i].nonzero().flatten().tolist() == best
        assert semi.negative[i].nonzero().flatten().tolist() == ([max(below, key=lambda j: s[j])] if below else [])


def test_one_of_equal_scores_is_picked():
    weights = torch.tensor([[1.0, 1, 0, 0]]), torch.tensor([[0.0, 0, 1, 1]])
    after = pick("hard", "hard")(Block(torch.zeros(1, 4), weights))
    assert after.positive.tolist() == [[1, 0, 0, 0]]
    assert after.negative.tolist() == [[0, 0, 1, 0]]


def test_a_sharp_pool_is_the_hardest_and_a_blunt_one_the_mean():
    violation, weight = torch.randn(4, 7).double(), torch.ones(4, 7).double()
    hardest, easiest = Pool(sharpness=math.inf)(violation, weight), Pool(sharpness=-math.inf)(violation, weight)
    torch.testing.assert_close(hardest, violation.amax(1))
    torch.testing.assert_close(easiest, violation.amin(1))
    torch.testing.assert_close(Pool(sharpness=1e4)(violation, weight), hardest, rtol=0, atol=1e-3)
    torch.testing.assert_close(Pool(sharpness=-1e4)(violation, weight), easiest, rtol=0, atol=1e-3)
    # near 0 it is the mean, but for the number of entries
    blunt = Pool(sharpness=1e-5)(violation, weight) - math.log(7) / 1e-5
    torch.testing.assert_close(Pool(sharpness=0)(violation, weight), blunt, rtol=0, atol=1e-3)


def test_a_mean_over_terms_counts_weights_of_rows():
    """Two rows with different numbers of negatives, the first weighted twice."""
    q, k = torch.eye(2).double(), torch.tensor([[1.0, 0], [0, 1], [0.6, 0.8]]).double()
    queries = Points(q, sample=torch.tensor([0, 1]), weight=torch.tensor([2.0, 1.0]))
    keys = Points(k, sample=torch.tensor([0, 1, 0]))
    # row 0: one negative at 0; row 1: two negatives, at 0 and 0.8
    assert Pairs(negative=-1.0, over="terms")(queries, keys).item() == pytest.approx((2 * 1 + 1 + 1.8) / (2 + 2))
    assert Pairs(negative=-1.0)(queries, keys).item() == pytest.approx((2 * 1 + 1.4) / 3)
    assert Pairs(negative=0.0, over="active")(queries, keys).item() == pytest.approx(0.8)


REFUSED = {
    "have a margin": lambda: Pairs(),
    "are pooled": lambda: Pooled(),
    "a floor needs": lambda: Pool(floor=True, sharpness=-1.0),
    "an average has": lambda: Pool(average=True, floor=True),
    "semi-hard": lambda: pick("semi-hard", "all"),
    "shares of": lambda: between(0.5, 0.5),
    "the share is": lambda: hardest_share(0.0),
    "no guide": lambda: Mined(InfoNCE(), below_the_guide())(torch.eye(2), torch.eye(2)),
    "are looked at": lambda: PairVariance(),
    "bins from": lambda: FastAP(0),
    "10 bins from 1": lambda: Histogram(10, low=1.0, high=1.0),
    "with momentum": lambda: DynamicTriplet(momentum=0.0),
    "found by label": lambda: Proxies(InfoNCE(), 3, 2)(torch.eye(2)),
    "the angle times": lambda: AngularSoftmax(multiply=2, turn=0.1),
    "no place for lengths": lambda: AngularSoftmax(lengths="both", layout="joint"),
    "2 shares for 3 keys": lambda: Balance(target=torch.ones(2) / 2)(torch.eye(3), torch.eye(3)),
    "the error is": lambda: CodingRate(0.0),
    "the momentum is": lambda: CovarianceContrast(1.0),
    "0 directions": lambda: SIGReg(0),
    "1 knots": lambda: SIGReg(4, knots=1),
    "p is 0.5": lambda: Lp(0.5),
    "temperature is 0": lambda: Ranking(0.0),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_with_one_sentence(sentence):
    with pytest.raises(InputError, match=sentence) as error:
        REFUSED[sentence]()
    assert error.value.fix


@pytest.mark.parametrize("layout", ["one-way", "symmetric", "views"])
def test_the_length_of_a_guides_vectors_is_nothing_to_a_cosine(layout):
    torch.manual_seed(0)
    q, k, x, y = torch.randn(4, 8, 5).unbind()
    long = torch.rand(8, 1) * 100
    objective = Mined(InfoNCE(layout=layout), below_the_guide(0.1))
    torch.testing.assert_close(objective(q, k, guide=Guide(x * long, y * long)), objective(q, k, guide=Guide(x, y)))
    assert objective(q, k, guide=Guide(x, y)) != InfoNCE(layout=layout)(q, k)
