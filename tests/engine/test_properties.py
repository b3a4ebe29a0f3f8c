"""What holds for every row objective whatever the batch: hypothesis chooses the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoint.engine import Block
from counterpoint.engine.places import join
from counterpoint.engine.rows import Panel, Rows
from counterpoint.geometry import Cosine
from counterpoint.objectives import REGISTRY, Guide, InfoNCE, RowObjective
from counterpoint.points import Points
from counterpoint.relation import Relation, kernel, same
from guarantee_cases import REMEMBER, made

ROWS = [name for name in REGISTRY if name not in REMEMBER and isinstance(made(name), RowObjective)]
# what has no gradient on purpose: weights by hardness, a centre, a target
STOPPED = REMEMBER | {"infonce-hardness", "macl", "swav", "circle", "guided", "self-adversarial", "groco"}
# not of angles alone: logits as long as the point, and a perceptron that knows the axes
NOT_ANGLES = {"sphereface", "large-margin-softmax", "amcl"}
quick = settings(max_examples=12)


@st.composite
def batches(draw):
    """Two sides with ragged ids, unknown ids, copies and groups."""
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 8))
    g = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    ids = st.integers(-1, draw(st.integers(0, 6)))

    def side(size):
        def column():
            return torch.tensor(draw(st.lists(ids, min_size=size, max_size=size)))

        z = torch.randn(size, 4, generator=g, dtype=torch.float64).requires_grad_()
        columns = {"sample": column(), "label": column()}
        columns["score"] = torch.rand(size, generator=g, dtype=torch.float64)
        if copies:
            columns |= {"input": column() + 20, "partner": column() + 20}
        if groups:
            columns["group"] = column()
        return Points(z, columns)

    copies, groups = draw(st.booleans()), draw(st.booleans())
    teacher = [torch.randn(size, 3, generator=g, dtype=torch.float64) for size in (n, m)]
    return side(n), side(m), Guide(*teacher)


def run(objective, q, k, guide, leaves=None, **how):
    guide = guide if "guide" in objective.uses else None
    loss = objective(q, k, guide=guide, **how)
    gradients = torch.autograd.grad(loss, leaves or (q.z, k.z))
    return loss.detach(), *gradients


def close(a, b, tolerance=1e-9):
    for x, y in zip(a, b, strict=True):
        assert torch.isfinite(x).all()
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


def all_masks(relation):
    """The same relation said in a way that always makes `(n, m)` masks."""
    return Relation(
        positive=kernel("zero", lambda d: (d == 0).double()) & relation.positive,
        ignored=kernel("zero", lambda d: d != 0),
    )


@pytest.mark.parametrize("name", [n for n in ROWS if n != "infonce-joint" and not made(n).paired])
@quick
@given(batch=batches())
def test_sparse_is_dense(name, batch):
    """Positives by an index, or by masks made by a general rule or asked for by a `valid` column: the same."""
    q, k, guide = batch
    objective = made(name, 4).double()
    plain = run(objective, q, k, guide, block=0)
    valid = [p.with_columns(valid=torch.ones(len(p), dtype=torch.bool)) for p in (q, k)]
    close(run(objective, *valid, guide, block=0), plain)
    zero = [p.with_columns(zero=torch.zeros(len(p), dtype=torch.float64)) for p in (q, k)]
    objective.relation = all_masks(objective.relation)
    close(run(objective, *zero, guide, block=0), plain)


@pytest.mark.parametrize("name", ROWS)
@quick
@given(batch=batches(), block=st.integers(1, 9))
def test_any_block_size(name, batch, block):
    q, k, guide = batch
    objective = made(name, 4).double()
    close(run(objective, q, k, guide, block=block), run(objective, q, k, guide, block=0))


@pytest.mark.parametrize("name", ROWS)
@quick
@given(batch=batches(), seed=st.integers(0, 99))
def test_order_does_not_matter(name, batch, seed):
    q, k, guide = batch
    g = torch.Generator().manual_seed(seed)
    a, b = torch.randperm(len(q), generator=g), torch.randperm(len(k), generator=g)
    objective = made(name, 4).double()
    left, right = (
        run(objective, q, k, guide),
        run(objective, q[a], k[b], Guide(guide.queries[a], guide.keys[b]), (q.z, k.z)),
    )
    close(left, right)


@pytest.mark.parametrize("name", [n for n in ROWS if n not in NOT_ANGLES and isinstance(made(n).geometry, Cosine)])
@quick
@given(batch=batches(), scale=st.floats(0.01, 100), seed=st.integers(0, 99))
def test_a_cosine_knows_no_length_and_no_rotation(name, batch, scale, seed):
    q, k, guide = batch
    g = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=g, dtype=torch.float64))[0]
    objective = made(name, 4).double()
    loss, for_q, for_k = run(objective, q, k, guide)
    turned = run(objective, q.with_z(scale * q.z @ rotation), k.with_z(k.z @ rotation), guide, (q.z, k.z))
    close(turned, (loss, for_q, for_k), 1e-7)
    # so the gradient has no component along the vector
    assert (for_q * q.z).sum(1).abs().max() < 1e-7


@pytest.mark.parametrize("name", [n for n in REGISTRY if n not in STOPPED])
def test_finite_differences(name):
    """The dense gradient is the derivative of the loss; the guarantee carries it to all other ways of execution."""
    torch.manual_seed(0)
    objective = made(name, 3).double()
    ids = torch.tensor([0, 1, 2, 2])
    q, k = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    guide = Guide(torch.randn(4, 3).double(), torch.randn(4, 3).double()) if "guide" in objective.uses else None
    if name == "triplet":
        objective.margin = 50.0  # away from the kink

    def loss(q, k):
        columns = {"sample": ids, "label": ids}
        views = [columns | {"view": torch.full((4,), v)} for v in range(2)]
        return objective(Points(q, views[0], score=ids.double()), Points(k, views[1]), guide=guide, block=0)

    assert torch.autograd.gradcheck(loss, (q, k))
    if name not in ("cosent", "triplet", "triplet-hard", "triplet-semi-hard", "mmd"):
        assert torch.autograd.gradgradcheck(loss, (q, k))


def test_blocked_finite_differences():
    q, k = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda q, k: InfoNCE(0.5)(q, k, block=2), (q, k))
    assert torch.autograd.gradcheck(lambda q, k: InfoNCE(0.5)(q, k, block=2, reduction="none"), (q, k))


@given(
    q=st.lists(st.integers(-2, 5), min_size=0, max_size=6),
    k=st.lists(st.integers(-2, 5), min_size=0, max_size=8),
    most=st.integers(1, 9),
    hashes=st.booleans(),
)
def test_join(q, k, most, hashes):
    """Against two loops."""
    wanted = [[j for j, b in enumerate(k) if a == b and (hashes or a >= 0)] for a in q]
    longest = max(map(len, wanted), default=0)
    joined = join(torch.tensor(q, dtype=torch.long), torch.tensor(k, dtype=torch.long), most=most, hashes=hashes)
    if longest > most:
        assert joined is None
        return
    index, weight = joined
    assert index.shape == weight.shape == (len(q), longest)
    found = [[int(j) for j, w in zip(a, b, strict=True) if w > 0] for a, b in zip(index, weight, strict=True)]
    assert found == wanted


def test_copies_and_groups_need_no_masks():
    """Real batches have some, and masks over all pairs would make every step three times as long."""
    sample, text = torch.arange(20), torch.arange(20) // 2 + 100
    columns = {"sample": sample, "input": text, "partner": text + 50, "group": sample // 4}
    points = Points(torch.randn(20, 4), columns)
    panel = Panel(points, points, Relation())
    sparse = Rows([panel], Cosine(), Cosine()).sparse()
    assert sparse is not None
    positive, negative = panel.dense(0, 20, points.z)
    assert torch.equal(Block(torch.zeros(20, 20), sparse).positive, positive)
    assert torch.equal(Block(torch.zeros(20, 20), sparse).negative, negative)
    assert negative.sum() == 20 * 16


def test_many_positives_take_the_masks():
    """More positives than an index holds: the same as with an all-True `valid` column."""
    q, k = torch.randn(30, 4, dtype=torch.float64), torch.randn(30, 4, dtype=torch.float64)
    ids = torch.zeros(30, dtype=torch.long)
    plain = InfoNCE(relation=Relation(same("label")))
    queries, keys = Points(q, label=ids), Points(k, label=torch.arange(30) % 2)
    torch.testing.assert_close(
        plain(queries, keys, block=7), plain(queries, keys.with_columns(valid=torch.ones(30, dtype=torch.bool)))
    )
