"""Who is a row and what it sees, in every layout, against loops over samples and labels."""

from __future__ import annotations

import pytest
import torch

from counterpoint.objectives import Decoupled, InfoNCE, SupCon, Uniformity
from counterpoint.points import Points
from counterpoint.relation import Relation, overlap
from objectives import naive

T = 0.4


def normal(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_()


def check(found, wanted, *leaves):
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
    for a, b in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(wanted, leaves), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def rows(q, k, positive, sees, denominator="each", average="outside"):
    """Rows of q against k; `positive(i, j)` and `sees(i, j)` say what a pair is."""
    result = []
    for i in range(len(q)):
        seen = [j for j in range(len(k)) if sees(i, j)]
        s = [naive.cosine(q[i], k[j]) / T for j in seen]
        p = [float(positive(i, j)) for j in seen]
        result.append(naive.softmax_row(s, p, [1 - x for x in p], denominator, average))
    return result


SAMPLES = {
    "aligned": ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    "shuffled": ([3, 1, 4, 0, 2], [0, 1, 2, 3, 4]),
    "fewer-keys": ([0, 1, 2, 3, 4], [1, 0, 3]),
    "queue": ([0, 1, 2], [0, 1, 2, -1, -1, -1]),
    "ragged": ([0, 1, 2, 2, 7, -1], [0, 0, 1, 1, 1, 2, -1, 9]),
}


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("kind", SAMPLES)
class TestPairs:
    def both(self, kind):
        a, b = SAMPLES[kind]
        q, k = normal(len(a), 3, seed=1), normal(len(b), 3, seed=2)
        points = Points(q, sample=torch.tensor(a)), Points(k, sample=torch.tensor(b))
        return a, b, q, k, *points

    def test_one_way(self, kind, block):
        a, b, q, k, queries, keys = self.both(kind)
        wanted = naive.mean(rows(q, k, lambda i, j: a[i] == b[j] >= 0, lambda i, j: True))
        check(InfoNCE(T)(queries, keys, block=block), wanted, q, k)

    def test_symmetric(self, kind, block):
        a, b, q, k, queries, keys = self.both(kind)
        there = naive.mean(rows(q, k, lambda i, j: a[i] == b[j] >= 0, lambda i, j: True))
        back = naive.mean(rows(k, q, lambda i, j: b[i] == a[j] >= 0, lambda i, j: True))
        check(InfoNCE(T, layout="symmetric")(queries, keys, block=block), (there + back) / 2, q, k)

    @pytest.mark.parametrize("make", [InfoNCE, Decoupled, SupCon], ids=["nt-xent", "decoupled", "supcon"])
    def test_views(self, kind, block, make):
        a, b, q, k, queries, keys = self.both(kind)
        if make is SupCon:  # by label
            queries, keys = Points(q, label=torch.tensor(a)), Points(k, label=torch.tensor(b))
        z, s = [*q, *k], a + b
        denominator = {InfoNCE: "each", Decoupled: "negatives", SupCon: "all"}[make]
        every = rows(z, z, lambda i, j: s[i] == s[j] >= 0, lambda i, j: i != j, denominator)
        objective = make(T, layout="views")
        check(objective(queries, keys, block=block), naive.mean(every), q, k)
        assert int(objective.left_out) == sum(row is None for row in every)

    def test_joint(self, kind, block):
        """Li et al. 2023, section 3.3: four sums in one denominator, one row a positive pair.

        With one positive a query this is their equation to the letter; with several, what belongs to the same sample
        is no negative.
        """
        a, b, q, k, queries, keys = self.both(kind)
        losses = []
        for i in range(len(a)):
            for p in range(len(b)):
                if not a[i] == b[p] >= 0:
                    continue
                z = (naive.cosine(q[i], k[p]) / T).exp()
                for j in range(len(b)):  # q_i . d_j
                    if not a[i] == b[j] >= 0:
                        z = z + (naive.cosine(q[i], k[j]) / T).exp()
                for j in range(len(a)):  # q_i . q_j, j other than i
                    if j != i and not a[i] == a[j] >= 0:
                        z = z + (naive.cosine(q[i], q[j]) / T).exp()
                for j in range(len(a)):  # q_j . d_p, the positive among them
                    z = z + (naive.cosine(q[j], k[p]) / T).exp()
                for j in range(len(b)):  # d_j . d_p, j other than p
                    if j != p and not b[j] == b[p] >= 0:
                        z = z + (naive.cosine(k[j], k[p]) / T).exp()
                losses.append(-((naive.cosine(q[i], k[p]) / T).exp() / z).log())
        check(InfoNCE(T, layout="joint")(queries, keys, block=block), naive.mean(losses), q, k)


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("average", ["outside", "inside"])
def test_supervised_alone(average, block):
    """Khosla et al. 2020, eq. 2 and 3: one set of points; a label seen once and an unknown label have no positive."""
    label = [0, 0, 0, 1, 1, 2, -1, -1]
    z = normal(len(label), 3)
    every = rows(z, z, lambda i, j: label[i] == label[j] >= 0, lambda i, j: i != j, "all", average)
    objective = SupCon(T, average=average)
    check(objective(Points(z, label=torch.tensor(label)), block=block), naive.mean(every), z)
    assert int(objective.left_out) == 3


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("average", ["outside", "inside"])
def test_sets_of_labels(average, block):
    """A positive counts by how many labels it shares; one that shares none is a negative, and so is one without any."""
    sets = [{0}, {0, 1}, {0, 1, 2}, {2}, set(), {3}]
    z = normal(len(sets), 3)
    losses = []
    for i, a in enumerate(sets):
        others = [j for j in range(len(sets)) if j != i]
        scores = [naive.cosine(z[i], z[j]) / T for j in others]
        share = [len(a & sets[j]) / max(len(a | sets[j]), 1) for j in others]
        losses.append(naive.softmax_row(scores, share, [float(w == 0) for w in share], "all", average))
    assert [loss is None for loss in losses] == [False, False, False, False, True, True]
    labels = torch.tensor([[float(member in one) for member in range(4)] for one in sets], dtype=z.dtype)
    objective = SupCon(T, average=average, relation=Relation(overlap("labels")))
    check(objective(Points(z, labels=labels), block=block), naive.mean(losses), z)
    assert int(objective.left_out) == 2


@pytest.mark.parametrize("block", [0, 2])
def test_within(block):
    q, k = normal(5, 3, seed=1), normal(5, 3, seed=2)

    def one(z, t):
        return naive.uniformity([x / x.norm() for x in z], t)

    for t in (2.0, 0.5):
        check(Uniformity(t)(q, k, block=block), (one(q, t) + one(k, t)) / 2, q, k)
    check(Uniformity()(q, block=block), one(q, 2.0), q)


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("layout", ["one-way", "symmetric", "views", "joint"])
def test_hard_negatives_reach_only_their_query(layout, block):
    """Owned negatives enter the rows of their own query, in every layout, and no others."""
    n, s = 4, 2
    q, k, h = normal(n, 3, seed=1), normal(n, 3, seed=2), normal(n, s, 3, seed=3)
    found = InfoNCE(T, layout=layout)(q, k, owned=h, block=block)

    def hard(i):
        return sum((naive.cosine(q[i], x) / T).exp() for x in h[i])

    def row(anchor, positive, others, extra):
        top = (naive.cosine(anchor, positive) / T).exp()
        return -(top / (top + sum((naive.cosine(anchor, x) / T).exp() for x in others) + extra)).log()

    forward = [row(q[i], k[i], [k[j] for j in range(n) if j != i], hard(i)) for i in range(n)]
    back = [row(k[i], q[i], [q[j] for j in range(n) if j != i], 0) for i in range(n)]
    other = [[j for j in range(n) if j != i] for i in range(n)]
    if layout == "one-way":
        wanted = naive.mean(forward)
    elif layout == "symmetric":
        wanted = (naive.mean(forward) + naive.mean(back)) / 2
    elif layout == "views":
        ends = [row(q[i], k[i], [z[j] for z in (q, k) for j in other[i]], hard(i)) for i in range(n)]
        ends += [row(k[i], q[i], [z[j] for z in (q, k) for j in other[i]], 0) for i in range(n)]
        wanted = naive.mean(ends)
    else:
        rest = [
            sum((naive.cosine(q[i], q[j]) / T).exp() + (naive.cosine(k[i], k[j]) / T).exp() for j in other[i])
            + sum((naive.cosine(q[j], k[i]) / T).exp() for j in range(n))
            for i in range(n)
        ]
        wanted = naive.mean([row(q[i], k[i], [k[j] for j in other[i]], hard(i) + rest[i]) for i in range(n)])
    check(found, wanted, q, k, h)
