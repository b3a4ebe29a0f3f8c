"""Every row equation against loops, for any weights of positives and negatives."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.geometry import Cosine, Dot, Euclidean, Temperature
from counterpoint.objectives import (
    JSD,
    NWJ,
    AgainstRanker,
    BoundedMargin,
    ContrastiveImitation,
    Debiased,
    Decoupled,
    DistillKL,
    Guide,
    InfoNCE,
    InversePropensity,
    ListMLE,
    MarginMSE,
    OrderImitation,
    RankImitation,
    RowObjective,
    Sigmoid,
    Spectral,
    SupCon,
    Triplet,
    softmax_rows,
)
from counterpoint.points import Points
from counterpoint.relation import Relation, Rule
from objectives import naive

N, M, D = 6, 7, 4


class Softmax(RowObjective):
    """Any member of the family."""

    def __init__(self, denominator, average, **options):
        super().__init__(0.5, **options)
        self.choice = (denominator, average)

    def rows(self, block):
        return softmax_rows(block, *self.choice)


def learned(temperature):
    """A learned temperature, exact in double precision."""
    module = Temperature(temperature).double()
    with torch.no_grad():
        module.log_scale.fill_(math.log(1 / temperature))
    return module


def table(values):
    """A rule that looks the pair up."""
    return Rule(lambda q, k: values[q["row"], k["col"]])


def batch(seed, soft):
    """Vectors, and weights of positives and negatives: none to several a row, some pairs neither."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    kind = torch.randint(0, 4, (N, M), generator=g)  # 0, 1: negative, 2: positive, 3: ignored
    kind[0][kind[0] == 2] = 0  # a row without positives
    kind[1] = 3  # a row in which nothing counts
    kind[2][kind[2] < 2] = 3  # a row without negatives
    kind[2, 0] = 2
    kind[3, :3] = torch.tensor([2, 2, 0])  # several positives
    weights = torch.rand(N, M, generator=g, dtype=torch.float64) * 0.9 + 0.1 if soft else torch.ones(N, M).double()
    p, n = (kind == 2) * weights, (kind < 2) * weights
    row_weight = torch.rand(N, generator=g, dtype=torch.float64)
    row_weight[4] = 0
    q, k = normal(N, D).requires_grad_(), normal(M, D).requires_grad_()
    return q, k, p, n, row_weight, normal(N, 3), normal(M, 3)


def objectives(p, n):
    """name -> (objective, score of two vectors, loss of one row)."""
    relation = Relation(positive=table(p), negative=table(n))

    def cosine(t):
        return lambda a, b: naive.cosine(a, b) / t

    def distance(a, b):
        return -naive.distance(a, b)

    found = {}
    for denominator in ("each", "all", "negatives"):
        for average in ("outside", "inside"):
            found[f"softmax-{denominator}-{average}"] = (
                Softmax(denominator, average, relation=relation), cosine(0.5),
                lambda s, t, p, n, x=denominator, y=average: naive.softmax_row(s, p, n, x, y),
            )  # fmt: skip
    found |= {
        "infonce": (
            InfoNCE(0.3, relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.softmax_row(s, p, n, "each", "outside"),
        ),
        "infonce-learned": (
            InfoNCE(learned(0.3), relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.softmax_row(s, p, n, "each", "outside"),
        ),
        "infonce-margin": (
            InfoNCE(0.3, margin=0.2, relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.margin_row(s, p, n, 0.3, 0.2, 0.0),
        ),
        "infonce-angular-margin": (
            InfoNCE(learned(0.3), margin=0.1, angular_margin=0.4, relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.margin_row(s, p, n, 0.3, 0.1, 0.4),
        ),
        "debiased": (
            Debiased(0.3, prior=0.1, layout="one-way", relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.debiased_row(s, p, n, 0.3, 0.1, 0.0),
        ),
        "hard-negatives": (
            Debiased(learned(0.3), prior=0.3, hardness=0.7, layout="one-way", relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.debiased_row(s, p, n, 0.3, 0.3, 0.7),
        ),
        "decoupled": (
            Decoupled(0.3, layout="one-way", relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.softmax_row(s, p, n, "negatives", "outside"),
        ),
        "bounded-margin": (
            BoundedMargin(0.2, 0.5, relation=relation), cosine(1.0),
            lambda s, t, p, n: naive.bounded_row(s, p, n, 0.2, 0.5),
        ),
        "supcon-out": (
            SupCon(0.3, layout="one-way", relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.softmax_row(s, p, n, "all", "outside"),
        ),
        "supcon-in": (
            SupCon(0.3, average="inside", layout="one-way", relation=relation), cosine(0.3),
            lambda s, t, p, n: naive.softmax_row(s, p, n, "all", "inside"),
        ),
        "sigmoid": (
            Sigmoid(0.4, bias=-1.5, relation=relation).double(), cosine(0.4),
            lambda s, t, p, n: naive.sigmoid_row(s, p, n, -1.5),
        ),
        "spectral": (
            Spectral(relation=relation), lambda a, b: (a * b).sum(), lambda s, t, p, n: naive.spectral_row(s, p, n),
        ),
        "nwj": (
            NWJ(relation=relation), lambda a, b: (a * b).sum(),
            lambda s, t, p, n: naive.information_row(s, p, n, lambda x: -x, lambda x: x.exp() / math.e),
        ),
        "jsd": (
            JSD(relation=relation), lambda a, b: (a * b).sum(),
            lambda s, t, p, n: naive.information_row(
                s, p, n, lambda x: (1 + (-x).exp()).log(), lambda x: (1 + x.exp()).log()
            ),
        ),
        "margin-mse": (
            MarginMSE(relation=relation, guide_geometry=Dot()), lambda a, b: (a * b).sum(),
            lambda s, t, p, n: naive.margin_mse_row(s, t, p, n),
        ),
        "distill-kl": (
            DistillKL(0.4, guide_temperature=0.7, relation=relation, guide_geometry=Dot()), cosine(0.4),
            lambda s, t, p, n: naive.kl_row(s, [x / 0.7 for x in t], p, n),
        ),
        "against-ranker": (
            AgainstRanker(0.4, relation=relation, guide_geometry=Dot()), cosine(0.4),
            lambda s, t, p, n: naive.against_ranker_row(s, t, p, n),
        ),
        "inverse-propensity": (
            InversePropensity(3.0, relation=relation, guide_geometry=Dot()), lambda a, b: (a * b).sum(),
            lambda s, t, p, n: naive.inverse_propensity_row(s, t, p, n, 3.0),
        ),
        "contrastive-imitation": (
            ContrastiveImitation(0.4, relation=relation, guide_geometry=Dot()), cosine(0.4),
            lambda s, t, p, n: naive.contrastive_imitation_row(s, t, p, n),
        ),
        "rank-imitation": (
            RankImitation(relation=relation, guide_geometry=Dot()), cosine(1.0),
            lambda s, t, p, n: naive.rank_imitation_row(s, t, p, n),
        ),
        "order-imitation": (
            OrderImitation(relation=relation, guide_geometry=Dot()), cosine(1.0),
            lambda s, t, p, n: naive.order_imitation_row(s, t, p, n),
        ),
        "listmle": (
            ListMLE(0.4, relation=relation, guide_geometry=Dot()), cosine(0.4),
            lambda s, t, p, n: naive.listmle_row(s, t, p, n),
        ),
    }  # fmt: skip
    for mining in ("all", "hard", "semi-hard"):
        found[f"triplet-{mining}"] = (
            Triplet(0.7, mining=mining, relation=relation), distance,
            lambda s, t, p, n, x=mining: naive.triplet_row(s, p, n, 0.7, x),
        )  # fmt: skip
    return found


NAMES = list(objectives(torch.zeros(1, 1), torch.zeros(1, 1)))


@pytest.mark.parametrize("soft", [False, True], ids=["hard-weights", "soft-weights"])
@pytest.mark.parametrize("name", NAMES)
def test_rows(name, soft):
    for seed in range(3):
        q, k, p, n, row_weight, tq, tk = batch(seed, soft)
        objective, score, row = objectives(p, n)[name]
        rows = []
        for i in range(N):
            s = [score(q[i], k[j]) for j in range(M)]
            t = [(tq[i] * tk[j]).sum() for j in range(M)]
            rows.append(row(s, t, p[i], n[i]))
        wanted = naive.mean(rows, row_weight)
        wanted_gradients = torch.autograd.grad(wanted, (q, k))
        assert any(r is None for r in rows)

        queries = Points(q, row=torch.arange(N), weight=row_weight)
        keys = Points(k, col=torch.arange(M))
        guide = Guide(tq, tk) if "guide" in objective.uses else None
        for block in (0, 1, 4):
            found = objective(queries, keys, guide=guide, block=block)
            torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
            for a, b in zip(torch.autograd.grad(found, (q, k)), wanted_gradients, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
            assert int(objective.left_out) == sum(r is None or w == 0 for r, w in zip(rows, row_weight, strict=True))
            values = objective(queries, keys, guide=guide, block=block, reduction="none")
            for i in range(N):
                out = rows[i] is None or row_weight[i] == 0
                torch.testing.assert_close(values[i], torch.zeros_like(values[i]) if out else rows[i])


@pytest.mark.parametrize("name", NAMES)
def test_owned_keys_are_keys_of_one_query(name):
    """Shared keys and the same vectors handed over as owned keys are the same thing."""
    q, k, p, n, row_weight, tq, tk = batch(0, True)
    split = 3
    both = torch.stack([torch.arange(M)] * N)
    shared, mine = Points(k[:split], col=both[0, :split]), Points(k[split:].expand(N, -1, -1), col=both[:, split:])
    scores = tq @ tk.T
    for block in (0, 4):
        objective, _, _ = objectives(p, n)[name]
        guided = "guide" in objective.uses
        queries = Points(q, row=torch.arange(N), weight=row_weight)
        whole = objective(queries, Points(k, col=both[0]), guide=Guide(tq, tk) if guided else None)
        guide = Guide(tq, tk[:split], scores[:, split:]) if guided else None
        found = objective(queries, shared, owned=mine, guide=guide, block=block)
        candidates = Points(k.expand(N, -1, -1), col=both)
        alone = objective(queries, owned=candidates, guide=Guide(owned=scores) if guided else None, block=block)
        for other in (found, alone):
            torch.testing.assert_close(other, whole)
            for a, b in zip(
                torch.autograd.grad(other, (q, k)), torch.autograd.grad(whole, (q, k), retain_graph=True), strict=True
            ):
                torch.testing.assert_close(a, b)


def test_learned_parameters_have_the_gradient_of_their_definition():
    """d/d log_scale and d/d bias by central differences of the naive loop's own temperature and bias."""
    q, k, p, n, row_weight, _, _ = batch(1, True)
    objective = Sigmoid(learned(0.3), bias=-2.0, relation=Relation(table(p), negative=table(n))).double()

    def loop(log_scale, bias):
        rows = []
        for i in range(N):
            s = [naive.cosine(q[i], k[j]) * log_scale.exp() for j in range(M)]
            rows.append(naive.sigmoid_row(s, p[i], n[i], bias))
        return naive.mean(rows, row_weight)

    log_scale = torch.tensor(math.log(1 / 0.3), dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    wanted = torch.autograd.grad(loop(log_scale, bias), (log_scale, bias))
    for block in (0, 2):
        found = objective(
            Points(q, row=torch.arange(N), weight=row_weight), Points(k, col=torch.arange(M)), block=block
        )
        for parameter, b in zip((objective.temperature.log_scale, objective.bias), wanted, strict=True):
            a = torch.autograd.grad(found, parameter, retain_graph=True)[0]
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("geometry", "score"),
    [
        (Dot(), lambda a, b: (a * b).sum()),
        (Cosine(), naive.cosine),
        (Euclidean(), lambda a, b: -naive.distance(a, b)),
        (Euclidean(squared=True), lambda a, b: -((a - b) ** 2).sum()),
        (Euclidean(squared=True, normalized=True), lambda a, b: 2 * naive.cosine(a, b) - 2),
        (Euclidean(normalized=True), lambda a, b: -naive.distance(a / a.norm(), b / b.norm())),
    ],
    ids=["dot", "cosine", "euclidean", "squared", "squared-normalized", "normalized"],
)
def test_any_geometry(geometry, score):
    q, k, p, n, row_weight, _, _ = batch(2, False)
    rows = [
        naive.softmax_row([score(q[i], k[j]) / 0.7 for j in range(M)], p[i], n[i], "each", "outside") for i in range(N)
    ]
    wanted = naive.mean(rows, row_weight)
    objective = InfoNCE(0.7, geometry=geometry, relation=Relation(table(p), negative=table(n)))
    for block in (0, 2):
        found = objective(
            Points(q, row=torch.arange(N), weight=row_weight), Points(k, col=torch.arange(M)), block=block
        )
        torch.testing.assert_close(found, wanted)
        for a, b in zip(
            torch.autograd.grad(found, (q, k)), torch.autograd.grad(wanted, (q, k), retain_graph=True), strict=True
        ):
            torch.testing.assert_close(a, b)


def test_by_hand():
    """Small enough for a pocket calculator: cosines 1, 0, -1 with temperature 1."""
    e = math.e
    q = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    k = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    # rows of scores [1, -1] and [0, 0], the positive on the diagonal
    first, second = math.log(1 + e**-2), math.log(2)
    assert InfoNCE(1.0)(q, k).item() == pytest.approx((first + second) / 2)
    # the other way: scores [1, 0] and [-1, 0]
    back = math.log(1 + 1 / e)
    assert InfoNCE(1.0, layout="symmetric")(q, k).item() == pytest.approx(((first + second) / 2 + back) / 2)
    # -s_ip + log sum of negatives: -1 + -1 and 0 + 0
    assert Decoupled(1.0, layout="one-way")(q, k).item() == pytest.approx(-1.0)
    # each pair a yes or no: log(1+e^-1) + log(1+e^-1), log 2 + log 2
    assert Sigmoid(1.0, bias=0.0)(q, k).item() == pytest.approx(math.log(1 + 1 / e) + math.log(2))
    # all four views q0 = k0 = (1,0), q1 = (0,1), k1 = (-1,0); row sums of exp over the three others
    rows = [
        -1 + math.log(e + 1 + 1 / e),  # q0: k0, q1, k1
        -0 + math.log(1 + 1 + 1),  # q1: its positive k1 at 0, q0 and k0 at 0
        -1 + math.log(e + 1 + 1 / e),  # k0
        -0 + math.log(1 + 1 / e + 1 / e),  # k1: q1 at 0, q0 and k0 at -1
    ]
    assert InfoNCE(1.0, layout="views")(q, k).item() == pytest.approx(sum(rows) / 4)
    # GTE: rows 0 and 1 with q.k, other q.q, k.q, other k.k
    joint = [
        -1 + math.log((e + 1 / e) + 1 + (e + 1) + 1 / e),
        -0 + math.log((1 + 1) + 1 + (1 / e + 1) + 1 / e),
    ]
    assert InfoNCE(1.0, layout="joint")(q, k).item() == pytest.approx(sum(joint) / 2)


def test_debiased_without_prior_and_hardness_is_infonce():
    q, k = (torch.randn(8, 4, generator=torch.Generator().manual_seed(i), dtype=torch.float64) for i in range(2))
    for layout in ("one-way", "views", "joint"):
        torch.testing.assert_close(Debiased(0.2, prior=0.0, layout=layout)(q, k), InfoNCE(0.2, layout=layout)(q, k))


def test_debiased_floor_holds_and_its_gradient_is_finite():
    # positives so close and negatives so far that the estimate is below what any mean can be
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = Debiased(0.1, prior=0.5, layout="one-way")(q, q)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-20)), rel=1e-9)
    assert torch.isfinite(torch.autograd.grad(loss, q)[0]).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Debiased(prior=1.0),
        lambda: InfoNCE(margin=-1.0),
        lambda: Debiased(hardness=-1),
        lambda: BoundedMargin(0.3, 0.1),
        lambda: BoundedMargin(-0.1, 0.1),
    ],
)
def test_a_share_or_a_margin_out_of_range(make):
    with pytest.raises(InputError, match=r"margin|prior"):
        make()
