"""Who is nobody's negative, which rows count, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.geometry import Temperature
from counterpoint.objectives import REGISTRY, Guide, InfoNCE, RowObjective, Sigmoid, SupCon, Triplet, Uniformity
from counterpoint.points import Points, unmatched
from counterpoint.relation import Relation, kernel, same
from guarantee_cases import REMEMBER, WITHOUT_POSITIVES, made

ROWS = [name for name in REGISTRY if isinstance(made(name), RowObjective)]
GUIDED = {"margin-mse", "distill-kl", "listmle", "against-ranker", "score-error", "guided", "inverse-propensity"}
GUIDED |= {"contrastive-imitation", "rank-imitation", "order-imitation"}
PAIRED = [n for n in ROWS if n != "uniformity" and n not in GUIDED | REMEMBER]
BLOCKS = pytest.mark.parametrize("block", [0, 2])


def normal(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_()


def pairs(n, d=4, **columns):
    """Aligned sides by sample and by label, with a score and with gradient."""
    ids = {"sample": torch.arange(n), "label": torch.arange(n), "score": torch.linspace(0.5, 1, n)}
    q, k = normal(n, d, seed=1), normal(n, d, seed=2)
    return q, k, Points(q, ids), Points(k, ids)


def guide(objective, n, m):
    return Guide(normal(n, 3).detach(), normal(m, 3, seed=5).detach()) if "guide" in objective.uses else None


DUPLICATES = {
    # a copy of query 0's own text stands among the keys, as key 2
    "key copies the query": ({"input": [10, 11, 12, 13]}, {"input": [20, 21, 10, 23]}, 0, 2),
    # key 2 has the text of query 0's own positive
    "key copies the positive": (
        {"input": [10, 11, 12, 13], "partner": [20, 21, 20, 23]}, {"input": [20, 21, 20, 23]}, 0, 2,
    ),
    # query 2 has the text of query 0: key 2 is a positive of that text
    "key is paired with a copy": (
        {"input": [10, 11, 10, 13]}, {"input": [20, 21, 22, 23], "partner": [10, 11, 10, 13]}, 0, 2,
    ),
    "same group": ({"group": [5, 6, 5, -1]}, {"group": [5, 6, 5, -1]}, 0, 2),
}  # fmt: skip


@BLOCKS
@pytest.mark.parametrize("kind", DUPLICATES)
@pytest.mark.parametrize("name", ["infonce", "decoupled-one-way", "sigmoid", "triplet", "triplet-hard"])
def test_a_duplicate_is_never_a_negative(name, kind, block):
    """Row i has no gradient at all for the duplicate key, and the same loss as if that key were not there."""
    left, right, i, j = DUPLICATES[kind]
    objective = REGISTRY["decoupled"]() if name.startswith("decoupled") else REGISTRY[name]()
    objective.layout = "one-way"
    if hasattr(objective, "margin"):
        objective.margin = 100.0  # every triplet is active
    _, k, queries, keys = pairs(4)
    plain = objective(queries, keys, block=block, reduction="none")
    assert torch.autograd.grad(plain[i], k)[0][j].norm() > 0 or name == "triplet-hard"
    queries = queries.with_columns(**{c: torch.tensor(v) for c, v in left.items()})
    keys = keys.with_columns(**{c: torch.tensor(v) for c, v in right.items()})
    rows = objective(queries, keys, block=block, reduction="none")
    gradient = torch.autograd.grad(rows[i], k, retain_graph=True)[0]
    assert gradient[j].abs().max() == 0
    assert gradient[i].norm() > 0
    others = torch.tensor([x for x in range(4) if x != j])
    without = objective(queries[torch.tensor([i])], keys[others], reduction="none", block=block)
    torch.testing.assert_close(rows[i : i + 1], without)


@BLOCKS
@pytest.mark.parametrize("layout", ["views", "joint", "symmetric"])
def test_duplicates_in_every_layout(layout, block):
    """Two queries with the same text and different positives: the row of the first has no gradient for the second."""
    q, k, queries, keys = pairs(4)
    text, other = torch.tensor([10, 11, 10, 13]), torch.tensor([20, 21, 22, 23])
    row = InfoNCE(0.5, layout=layout)(
        queries.with_columns(input=text, partner=other),
        keys.with_columns(input=other, partner=text),
        block=block,
        reduction="none",
    )[0]
    for_q, for_k = (g.norm(dim=1) for g in torch.autograd.grad(row, (q, k)))
    assert (for_q > 0).tolist() == [True, True, False, True]
    # GTE's denominator has the positive's own neighbours too, and those two texts do differ
    assert (for_k > 0).tolist() == [True, True, layout == "joint", True]


@BLOCKS
def test_an_unlabelled_duplicate_is_no_negative_either(block):
    """-1 is no label in common, so the pair is not positive, and the copy must still not be pushed away."""
    z = normal(3, 3)
    columns = {"sample": torch.tensor([-1, -1, -1]), "input": torch.tensor([7, 7, 8])}
    rows = Uniformity()(Points(z, columns), block=block, reduction="none")
    alone = Uniformity()(Points(z[torch.tensor([0, 2])]), reduction="none")
    torch.testing.assert_close(rows[0], alone[0])
    assert torch.autograd.grad(rows[0], z)[0][1].abs().max() == 0


@BLOCKS
def test_a_duplicate_that_is_positive_stays_positive(block):
    q, k, queries, keys = pairs(3)
    queries = queries.with_columns(input=torch.tensor([1, 2, 3]), partner=torch.tensor([1, 5, 6]))
    keys = keys.with_columns(input=torch.tensor([1, 5, 6]))  # key 0 is the text of query 0, and its positive
    torch.testing.assert_close(InfoNCE()(queries, keys, block=block), InfoNCE()(q, k))


@BLOCKS
def test_an_owned_copy_is_no_negative(block):
    """A mined hard negative that has the text, or the group, of the query's positive is ignored."""
    _, _, queries, keys = pairs(3)
    h = normal(3, 2, 4, seed=7)
    for column, mine in (("input", "partner"), ("group", "group")):
        left = queries.with_columns(**{mine: torch.tensor([10, 11, 12])})
        owned = Points(h, {column: torch.tensor([[10, 99], [98, 97], [96, 12]])})
        rows = InfoNCE()(left, keys, owned=owned, block=block, reduction="none")
        gradient = torch.autograd.grad(rows.sum(), h)[0]
        assert (gradient.norm(dim=2) == 0).tolist() == [[True, False], [False, False], [False, True]]


@BLOCKS
def test_an_owned_positive_by_a_rule(block):
    """A rule of one's own sees the columns of owned keys."""
    q = normal(2, 3)
    owned = Points(normal(2, 3, 3, seed=1), age=torch.tensor([[0.0, 9, 9], [9, 9, 5.0]]))
    relation = Relation(positive=kernel("age", lambda d: (d == 0).double()))
    rows = InfoNCE(0.5, relation=relation)(Points(q, age=torch.tensor([0.0, 5.0])), owned=owned, block=block)
    wanted = InfoNCE(0.5)(q, owned=Points(owned.z, positive=torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])))
    torch.testing.assert_close(rows, wanted)


@BLOCKS
@pytest.mark.parametrize("name", PAIRED)
def test_rows_without_a_positive_are_left_out(name, block):
    objective = made(name, 4).double()
    q, k, queries, keys = pairs(5)
    lone = torch.tensor([0, 1, 2, -1, 77])
    loss = objective(queries.with_columns(sample=lone, label=lone), keys, block=block)
    assert torch.isfinite(loss)
    gradients = torch.autograd.grad(loss, (q, k))
    assert all(torch.isfinite(g).all() for g in gradients)
    if name not in WITHOUT_POSITIVES:
        left = {"infonce-symmetric": 4, "infonce-joint": 0}
        assert int(objective.left_out) == left.get(name, 4 if objective.layout == "views" else 2)


@BLOCKS
@pytest.mark.parametrize("name", PAIRED)
def test_no_row_counts(name, block):
    """Loss 0 and gradient 0, not NaN and not an error: the columns are there, only nothing matches."""
    objective = made(name, 4).double()
    q, k, queries, keys = pairs(4)
    other = torch.arange(4) + 50
    loss = objective(queries.with_columns(sample=other, label=other), keys, block=block)
    gradients = torch.autograd.grad(loss, (q, k))
    assert all(torch.isfinite(g).all() for g in gradients)
    if name not in WITHOUT_POSITIVES:
        assert loss.item() == 0
        assert all(g.abs().max() == 0 for g in gradients)


@pytest.mark.parametrize("name", ROWS)
def test_one_sample(name):
    """One pair: no negative. Softmax losses are 0; nothing is NaN."""
    objective = made(name, 4).double()
    q, k, queries, keys = pairs(1)
    for block in (0, 1, None):
        loss = objective(queries, keys, guide=guide(objective, 1, 1), block=block)
        gradients = torch.autograd.grad(loss, (q, k), allow_unused=True)
        assert torch.isfinite(loss)
        assert all(g is None or torch.isfinite(g).all() for g in gradients)
        if name in ("infonce", "infonce-symmetric", "nt-xent", "supcon-out", "supcon-in"):
            assert loss.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 4), (4, 0)])
def test_empty_sides(name, n, m):
    """A process may hold nothing: loss 0, part of the graph, no error."""
    objective = made(name, 3).double()
    q, k = normal(n, 3), normal(m, 3)
    columns = {"queries": torch.arange(n), "keys": torch.arange(m)}
    queries = Points(q, sample=columns["queries"], label=columns["queries"])
    keys = Points(k, sample=columns["keys"], label=columns["keys"])
    for block in (0, 2):
        loss = objective(queries, keys, guide=guide(objective, n, m), block=block)
        assert torch.isfinite(loss)
        gradients = torch.autograd.grad(loss, (q, k))
        assert all(torch.isfinite(g).all() for g in gradients)
        if "guide" not in objective.uses and objective.layout == "one-way":
            assert objective(queries, keys, block=block, reduction="none").shape == (n,)


@BLOCKS
def test_padding_is_seen_by_nobody_and_is_no_row(block):
    columns = dict.fromkeys(("sample", "label"), torch.tensor([0, 1, 2, 2, 1, 0])) | {"score": torch.linspace(0, 1, 6)}
    q, k = normal(6, 3, seed=1), normal(6, 3, seed=2)
    queries, keys = Points(q, columns), Points(k, columns)
    valid = torch.tensor([True, True, True, True, False, False])
    for name in PAIRED:
        objective = made(name, 3).double()
        found = objective(queries.with_columns(valid=valid), keys.with_columns(valid=valid), block=block)
        assert objective.left_out > 0 or name == "infonce-joint"
        torch.testing.assert_close(found, objective(queries[:4], keys[:4]), msg=name)


@BLOCKS
def test_a_queue_of_negatives(block):
    q, k, h = normal(3, 4, seed=1), normal(3, 4, seed=2), normal(5, 4, seed=3)
    sample = torch.arange(3)
    keys = Points.cat([Points(k, sample=sample), unmatched(h)])
    wanted = InfoNCE(0.3)(q, k, owned=h.expand(3, -1, -1))
    torch.testing.assert_close(InfoNCE(0.3)(Points(q, sample=sample), keys, block=block), wanted)


@BLOCKS
def test_row_weights_are_relative(block):
    q, k, queries, keys = pairs(4)
    w = torch.tensor([0.5, 0.0, 2.0, 1.0])
    rows = InfoNCE()(q, k, reduction="none")
    found = InfoNCE()(queries.with_columns(weight=w), keys, block=block)
    torch.testing.assert_close(found, (rows * w).sum() / w.sum())
    torch.testing.assert_close(InfoNCE()(queries.with_columns(weight=w * 7), keys, block=block), found)


@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_temperature_is_above_zero(value):
    for name in ("infonce", "decoupled", "supcon-out", "sigmoid", "cosent", "distill-kl"):
        with pytest.raises(InputError, match=r"temperature is .* must be above 0"):
            type(REGISTRY[name]())(temperature=value)
    with pytest.raises(InputError, match="must be above 0"):
        Temperature(value)
    with pytest.raises(InputError):
        Uniformity(t=value)


z = torch.ones
REFUSED = {
    "queries have shape": lambda: InfoNCE()(z(3, 4), z(3, 5)),
    "3 queries and 4 keys": lambda: InfoNCE()(z(3, 4), z(4, 4)),
    r"must be floating point": lambda: InfoNCE()(z(3, 4).long(), z(3, 4)),
    r"\(n, d\) or more": lambda: InfoNCE()(z(3), z(3)),
    "owned keys have shape": lambda: InfoNCE()(z(3, 4), z(3, 4), owned=z(3, 4)),
    "for queries": lambda: InfoNCE()(z(3, 4), z(3, 4), owned=z(2, 5, 4)),
    "column 'positive' of the owned": lambda: InfoNCE()(z(3, 4), owned=Points(z(3, 3, 4), positive=z(3))),
    "contrasts two sides": lambda: InfoNCE(layout="symmetric")(z(3, 4)),
    "SupCon matches points by the column 'label'": lambda: SupCon()(z(3, 4), z(3, 4)),
    "InfoNCE matches points by the column 'sample'": lambda: InfoNCE()(Points(z(3, 4), sample=z(3).long()), z(3, 4)),
    "Triplet matches points": lambda: Triplet()(z(3, 4)),
    "joint layout matches": lambda: InfoNCE(layout="joint")(Points(z(3, 4), label=torch.arange(3)), z(3, 4)),
    "joint layout needs positives by a column": lambda: InfoNCE(
        layout="joint", relation=Relation(kernel("age", torch.exp))
    )(z(3, 4), z(3, 4)),
    "different numbers of rows": lambda: InfoNCE(layout="symmetric")(
        Points(z(3, 4), sample=torch.arange(3)), Points(z(4, 4), sample=torch.arange(4)), reduction="none"
    ),
    "needs the teacher's score": lambda: REGISTRY["distill-kl"]()(z(3, 4), z(3, 4)),
    "the guide has 2 queries and the student 3": lambda: REGISTRY["margin-mse"]()(
        z(3, 4), z(3, 4), guide=Guide(z(2, 2), z(3, 2))
    ),
    "takes no owned keys": lambda: Uniformity()(z(3, 4), owned=z(3, 2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_with_one_sentence(sentence):
    with pytest.raises(InputError, match=sentence) as error:
        REFUSED[sentence]()
    assert str(error.value).count("\n") == 0
    assert str(error.value).endswith(".")
    assert error.value.fix


def test_no_gradient_flows_through_columns():
    """Blocked and dense agree on that too."""
    w = torch.rand(4, requires_grad=True)
    _, _, queries, keys = pairs(4)
    for block in (0, 2):
        loss = InfoNCE()(queries.with_columns(weight=w), keys, block=block)
        assert torch.autograd.grad(loss, w, allow_unused=True, materialize_grads=False)[0] is None


def test_a_label_and_its_sample_are_different_relations():
    label = torch.tensor([0, 0, 1])
    q, k = normal(3, 4), normal(3, 4, seed=1)
    queries, keys = (Points(z, label=label, sample=torch.arange(3)) for z in (q, k))
    by_label = InfoNCE(relation=Relation(same("label")))(queries, keys)
    by_sample = InfoNCE()(queries, keys)
    without = InfoNCE(relation=Relation(ignored=same("label")))(queries, keys)
    assert len({round(x.item(), 9) for x in (by_label, by_sample, without)}) == 3


def test_sigmoid_starts_as_published():
    loss = Sigmoid()
    assert loss.bias.item() == -10
    assert 1 / loss.scale().item() == pytest.approx(0.1)
