"""Objectives on the whole matrix, sums and Matryoshka, against loops and by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import (
    Alignment,
    CoSENT,
    EffectiveRank,
    InfoNCE,
    KoLeo,
    Lengths,
    Matryoshka,
    PairRegression,
    PointObjective,
    PointRegression,
    ScoredInfoNCE,
    Sum,
    SupCon,
    Triplet,
    Uniformity,
    VICReg,
    objective,
)
from counterpoint.points import Points
from counterpoint.relation import Relation, kernel
from objectives import naive


def normal(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_()


def check(found, wanted, *leaves):
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
    for a, b in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_alignment(alpha):
    q, k = normal(4, 3, seed=1), normal(5, 3, seed=2)
    a, b, weight = [0, 1, 2, 2], [0, 0, 2, 1, 9], torch.tensor([1.0, 2.0, 0.0, 0.5], dtype=torch.float64)
    pairs = [(i, j) for i in range(4) for j in range(5) if a[i] == b[j]]
    values = [naive.distance(q[i] / q[i].norm(), k[j] / k[j].norm()) ** alpha for i, j in pairs]
    wanted = naive.mean(values, [weight[i] for i, _ in pairs])
    queries, keys = Points(q, sample=torch.tensor(a), weight=weight), Points(k, sample=torch.tensor(b))
    check(Alignment(alpha)(queries, keys), wanted, q, k)


def test_lengths():
    """Of pairs alone: the third query and the last key, which belong to nothing, stay as they are."""
    q, k = normal(4, 3, seed=1), normal(5, 3, seed=2)
    a, b, weight = [0, 1, 7, 2], [0, 0, 2, 1, 9], torch.tensor([1.0, 2.0, 3.0, 0.5], dtype=torch.float64)
    pairs = [(i, j) for i in range(4) for j in range(5) if a[i] == b[j]]
    queries, keys = Points(q, sample=torch.tensor(a), weight=weight), Points(k, sample=torch.tensor(b))
    check(Lengths()(queries, keys), naive.lengths(q, k, pairs, weight), q, k)
    loss = InfoNCE(1.0, geometry=Dot()) + 0.1 * Lengths()
    check(loss(q, k[:4]), InfoNCE(1.0, geometry=Dot())(q, k[:4]) + ((q**2).sum() + (k[:4] ** 2).sum()) / 40, q, k)


@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_vicreg(weights):
    q, k = normal(6, 4, seed=1), normal(6, 4, seed=2)
    check(VICReg(*weights)(q, k), naive.vicreg(q, k, *weights), q, k)
    check(VICReg(*weights, gamma=2.0)(q, k), naive.vicreg(q, k, *weights, gamma=2.0), q, k)


def test_vicreg_by_hand():
    # one dimension, values 0 and 2: variance 2, so nothing lacks; the two sides are 1 apart
    x = torch.tensor([[0.0], [2.0]])
    assert VICReg()(x, x + 1).item() == pytest.approx(25.0)
    # two dimensions that are one: covariance 2 off the diagonal, twice, over d = 2, on two sides
    z = torch.tensor([[0.0, 0.0], [2.0, 2.0]])
    assert VICReg()(z, z).item() == pytest.approx(2 * (2**2 + 2**2) / 2)


@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 5.0]), min_size=1, max_size=7),
    temperature=st.sampled_from([0.05, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_cosent(scores, temperature, seed):
    """Ties count in neither direction; the order of the batch does not matter."""
    n = len(scores)
    q, k = normal(n, 3, seed=seed), normal(n, 3, seed=seed + 1000)
    wanted = naive.cosent([naive.cosine(a, b) for a, b in zip(q, k, strict=True)], scores, temperature)
    found = CoSENT(temperature)(Points(q, score=torch.tensor(scores)), k)
    torch.testing.assert_close(found, wanted)
    if wanted.requires_grad:
        gradients = zip(torch.autograd.grad(found, (q, k)), torch.autograd.grad(wanted, (q, k)), strict=True)
        for a, b in gradients:
            # a huge loss (exp of 40) in the loop loses some digits
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_cosent_by_hand():
    # cosines 1 and 0, the second should be higher: log(1 + exp((1 - 0) / 1))
    q = Points(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), score=torch.tensor([0.0, 1.0]))
    k = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert CoSENT(1.0)(q, k).item() == pytest.approx(math.log(1 + math.e))
    # a score on the keys serves as well
    other = Points(k, score=torch.tensor([0.0, 1.0]))
    assert CoSENT(1.0)(q.z, other).item() == pytest.approx(math.log(1 + math.e))


@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 1.0, math.nan]), min_size=1, max_size=7),
    seed=st.integers(0, 99),
)
def test_pair_regression(scores, seed):
    """A pair without a score counts nowhere."""
    n = len(scores)
    q, k = normal(n, 3, seed=seed), normal(n, 3, seed=seed + 1000)
    errors = [(naive.cosine(a, b) - s) ** 2 for a, b, s in zip(q, k, scores, strict=True) if not math.isnan(s)]
    objective = PairRegression()
    found = objective(Points(q, score=torch.tensor(scores)), k)
    assert int(objective.left_out) == n - len(errors)
    check(found, sum(errors) / len(errors) if errors else (q * 0).sum() + (k * 0).sum(), q, k)
    halved = PairRegression(torch.abs)(Points(q, score=torch.tensor(scores)), k)
    torch.testing.assert_close(halved, sum(e**0.5 for e in errors) / max(len(errors), 1) + (q * 0).sum())


@pytest.mark.parametrize("error", [F.mse_loss, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("outputs", [1, 3])
def test_point_regression(error, outputs):
    z = normal(5, outputs, seed=1)
    known = torch.rand(5, outputs, generator=torch.Generator().manual_seed(2))
    total = (z * 0).sum()
    for s, y in zip(z.flatten(), known.flatten(), strict=True):
        likely = 1 / (1 + torch.exp(-s))
        binary = -y * torch.log(likely) - (1 - y) * torch.log(1 - likely)
        total = total + ((s - y) ** 2 if error is F.mse_loss else binary) / 5
    column = known[:, 0] if outputs == 1 else known
    points = Points(z, teacher=column, sample=torch.arange(5))
    check(PointRegression("teacher", error)(points), total, z)


def test_point_regression_needs_a_value_for_each_output():
    points = Points(torch.ones(2, 3), score=torch.ones(2), sample=torch.arange(2))
    with pytest.raises(InputError, match=r"shape \(2, 3\) and \(2, 1\)"):
        PointRegression()(points)
    with pytest.raises(InputError, match="lack the column 'teacher'"):
        PointRegression("teacher")(points)


def test_uniformity_by_hand():
    # a triangle: all squared distances are 3
    z = torch.tensor([[math.cos(a), math.sin(a)] for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)])
    assert Uniformity()(z).item() == pytest.approx(-6, rel=1e-5)
    assert Uniformity(t=1.0)(z * 7).item() == pytest.approx(-3, rel=1e-5)


def test_matryoshka():
    q, k, h = normal(5, 6, seed=1), normal(5, 6, seed=2), normal(5, 2, 6, seed=3)
    wanted = sum(
        w * InfoNCE(0.3)(q[:, :d], k[:, :d], owned=h[..., :d]) for d, w in ((6, 1.0), (3, 0.5), (1, 2.0))
    )  # fmt: skip
    check(Matryoshka(InfoNCE(0.3), [6, 3, 1], [1.0, 0.5, 2.0])(q, k, owned=h, block=2), wanted, q, k, h)
    with pytest.raises(InputError, match="cannot cut 6 dimensions to 7"):
        Matryoshka(InfoNCE(), [7])(q, k)


def test_sum():
    q, k, h = normal(5, 4, seed=1), normal(5, 4, seed=2), normal(5, 2, 4, seed=3)
    both = 2.0 * InfoNCE(0.3) + 0.25 * VICReg() + Triplet()
    wanted = 2.0 * InfoNCE(0.3)(q, k, owned=h) + 0.25 * VICReg()(q, k) + Triplet()(q, k, owned=h)
    check(both(q, k, owned=h, block=2), wanted, q, k, h)
    rows = (InfoNCE(0.3) + 3 * Triplet())(q, k, reduction="none")
    torch.testing.assert_close(rows, InfoNCE(0.3)(q, k, reduction="none") + 3 * Triplet()(q, k, reduction="none"))
    for make in (Sum, lambda: Sum(InfoNCE(), weights=(1.0, 2.0))):
        with pytest.raises(InputError):
            make()


def test_a_sum_of_terms_of_either_kind_has_no_value_a_row():
    with pytest.raises(InputError, match="no value a row"):
        (InfoNCE() + VICReg())(normal(4, 3), normal(4, 3), reduction="none")


@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 1.0, math.nan]), min_size=2, max_size=7),
    seed=st.integers(0, 99),
)
def test_scored_infonce(scores, seed):
    """Rows are multiplied by their score, and counted whatever it is, unless there is none."""
    n = len(scores)
    q, k = normal(n, 3, seed=seed), normal(n, 3, seed=seed + 1000)
    known, wanted = [i for i in range(n) if not math.isnan(scores[i])], (q + k).sum() * 0
    for i in known:
        row = torch.stack([naive.cosine(q[i], other) / 0.5 for other in k])
        wanted = wanted + scores[i] * (torch.logsumexp(row, 0) - row[i]) / len(known)
    found = ScoredInfoNCE(0.5)(Points(q, score=torch.tensor(scores)), k)
    torch.testing.assert_close(found, wanted)
    for a, b in zip(torch.autograd.grad(found, (q, k)), torch.autograd.grad(wanted, (q, k)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_scored_infonce_without_scores():
    with pytest.raises(InputError, match="ScoredInfoNCE needs the rows' scores"):
        ScoredInfoNCE()(normal(3, 3), normal(3, 3))


@pytest.mark.parametrize("name", ["alignment", "vicreg", "cosent", "pair-regression"])
def test_point_objectives_say_what_they_need(name):
    q, k = Points(normal(3, 2), score=torch.rand(3), label=torch.tensor([0, 1, 2])), normal(3, 2)
    make = type(objective(name))
    for call, sentence in (
        (lambda: make()(q, Points(k, sample=torch.arange(3))), "matches points by the column 'sample'"),
        (lambda: make(relation=Relation(kernel("x", torch.abs)))(k, k), "needs positives by a column"),
        (lambda: make()(q), "matches points by the column 'sample'"),
        (lambda: make()(k, k, reduction="none"), "no value a row"),
        (lambda: make()(k, k, owned=k[:, None]), "takes no owned keys"),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
    assert issubclass(make, PointObjective)


def test_padding_is_left_out_of_the_whole():
    z, y = normal(6, 3, seed=1), normal(6, 3, seed=2)
    sample, valid = torch.arange(6), torch.tensor([True] * 4 + [False] * 2)
    for name in ("alignment", "vicreg", "cosent", "pair-regression", "lengths"):
        columns = {"sample": sample, "valid": valid, "score": torch.arange(6.0)}
        padded = objective(name)(Points(z, columns), Points(y, columns))
        short = objective(name)(Points(z, columns)[:4], Points(y, columns)[:4])
        check(padded, short, z, y)


def test_vicreg_of_one_point():
    with pytest.raises(InputError, match="two points"):
        VICReg()(normal(1, 3), normal(1, 3))


@pytest.mark.parametrize("layout", ["one-way", "symmetric", "views", "joint"])
def test_guess_is_the_loss_of_equal_scores(layout):
    z, objective = torch.ones(64, 4), InfoNCE(layout=layout)
    assert objective(z, z).item() == pytest.approx(objective.guess(64, 64), rel=1e-6)


def test_guess_of_points_against_themselves():
    points = Points(torch.ones(10, 4), label=torch.arange(10) // 2)
    assert SupCon()(points).item() == pytest.approx(SupCon().guess(10, None), rel=1e-6)
    assert VICReg().guess(10, 10) is None


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no objective is called 'info'; choose from infonce, .*vicreg"):
        objective("info")


def test_effective_rank_is_the_entropy_of_both_spectra_and_of_what_matches():
    generator = torch.Generator().manual_seed(0)
    for n, d in ((9, 4), (4, 9)):
        q, k = (torch.randn(n, d, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2))
        wanted = torch.zeros((), dtype=torch.float64)
        for side in (q, k):
            unit = torch.stack([row / row.norm() for row in side])
            for s in torch.linalg.svdvals(unit):
                wanted = wanted - s.square() / n * (s.square() / n).log() / 2
        past = torch.randn(3, d, dtype=torch.float64, generator=generator)
        keys = Points(torch.cat([k, past]), sample=torch.tensor([*range(n), -1, -1, -1]))
        found = EffectiveRank()(Points(q, sample=torch.arange(n)), keys)
        torch.testing.assert_close(found, wanted)
        for one, other in zip(torch.autograd.grad(found, [q, k]), torch.autograd.grad(wanted, [q, k]), strict=True):
            torch.testing.assert_close(one, other)


def test_effective_rank_of_vectors_that_are_all_the_same_is_one_with_a_finite_gradient():
    z = torch.ones(6, 4, requires_grad=True)
    loss = EffectiveRank()(z, z)
    loss.backward()
    assert abs(loss.item()) < 1e-5
    assert torch.isfinite(z.grad).all()


@given(st.integers(2, 9), st.integers(0, 20))
def test_koleo_is_that_of_a_naive_loop(n, seed):
    q, k = normal(n, 4, seed=seed), normal(n + 1, 4, seed=seed + 1000)

    def lonely(z):
        u = [x / x.norm() for x in z]
        near = [
            min((float((u[i] - u[j]).detach().norm()), j) for j in range(len(u)) if j != i)[1] for i in range(len(u))
        ]
        return -sum(torch.log((x - u[j] + 1e-8).norm() + 1e-8) for x, j in zip(u, near, strict=True)) / len(u)

    first, second = (Points(side, sample=torch.arange(len(side))) for side in (q, k))
    check(KoLeo()(first, second), (lonely(q) + lonely(k)) / 2, q, k)
    check(KoLeo()(first), lonely(q), q)


def test_koleo_of_one_point_says_nothing():
    z = torch.ones(1, 3, requires_grad=True)
    loss = KoLeo()(Points(z, sample=torch.arange(1)))
    loss.backward()
    assert loss.item() == 0
    assert not z.grad.any()
