"""The algebra of rules against fuzzy sets in loops, and what a relation makes of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.errors import InputError
from counterpoint.relation import (
    Relation,
    Rule,
    as_near_as_own,
    duplicate,
    equal,
    itself,
    kernel,
    near,
    never,
    overlap,
    same,
    share,
)

N, M = 3, 4
LIKE = torch.zeros(1, dtype=torch.float64)


def constant(values):
    return Rule(lambda q, k: values)


@st.composite
def rules(draw):
    """A rule and its weights as a plain table; None, bool or float."""
    kind = draw(st.sampled_from(["none", "bool", "float"]))
    if kind == "none":
        return never, [[0.0] * M for _ in range(N)]
    cell = st.booleans() if kind == "bool" else st.sampled_from([0.0, 0.25, 0.5, 1.0])
    table = draw(st.lists(st.lists(cell, min_size=M, max_size=M), min_size=N, max_size=N))
    return constant(torch.tensor(table)), [[float(x) for x in row] for row in table]


def weights(rule):
    found = rule({}, {})
    return torch.zeros(N, M) if found is None else (found * 1.0).expand(N, M)


@given(a=rules(), b=rules())
def test_fuzzy_sets(a, b):
    (rule, x), (other, y) = a, b
    for found, combine in (
        (rule & other, lambda s, t: s * t),
        (rule | other, max),
        (~rule, lambda s, t: 1 - s),
        (~(rule & other), lambda s, t: 1 - s * t),
        (~rule | other, lambda s, t: max(1 - s, t)),
        (~~rule & ~other, lambda s, t: s * (1 - t)),
    ):
        wanted = torch.tensor(
            [[combine(s, t) for s, t in zip(r1, r2, strict=True)] for r1, r2 in zip(x, y, strict=True)]
        )
        torch.testing.assert_close(weights(found), wanted)


@given(a=rules(), b=rules())
def test_bool_stays_bool(a, b):
    """So that the common case makes no float masks."""
    both = [r({}, {}) for r, _ in (a, b)]
    if all(w is not None and w.dtype == torch.bool for w in both):
        for rule in (a[0] & b[0], a[0] | b[0], ~a[0]):
            assert rule({}, {}).dtype == torch.bool


def test_never():
    assert never({}, {}) is None
    everything = (~never)({"a": torch.zeros(2, 1)}, {})
    assert everything.all()
    assert everything.shape == (1, 1)


def columns(**named):
    return {name: torch.tensor(values) for name, values in named.items()}


def pair(q, k):
    return {n: c[:, None] for n, c in columns(**q).items()}, {n: c[None] for n, c in columns(**k).items()}


def test_rules_of_columns():
    q, k = pair({"label": [0, -1, 2]}, {"label": [0, -1, 2, 2]})
    assert same("label")(q, k).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    assert equal("label", "label")(q, k).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]
    assert kernel("label", lambda d: d.abs() <= 1)(q, k).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]
    for rule in (same("sample"), equal("label", "sample"), equal("sample", "label"), kernel("sample", torch.abs)):
        assert rule(q, k) is None
    assert same("label")({}, k) is None


def test_duplicates():
    q, k = pair({"input": [1, 2], "partner": [5, 6]}, {"input": [1, 5, 9, 8], "partner": [7, 1, 2, 8]})
    wanted = [
        [True, True, False, False],  # its own text; its partner's text, whose partner is also its text
        [False, False, True, False],  # paired with a copy of it
    ]
    assert duplicate(q, k).tolist() == wanted
    # hashes may be negative
    q, k = pair({"input": [-5, -1]}, {"input": [-5, -1]})
    assert duplicate(q, k).tolist() == [[True, False], [False, True]]
    q, k = pair({"group": [3, -1]}, {"group": [3, -1]})
    assert duplicate(q, k).tolist() == [[True, False], [False, False]]


def relation_weights(relation, q, k, shape=None):
    q, k = pair(q, k)
    shape = shape or (next(iter(q.values())).shape[0], next(iter(k.values())).shape[1])
    return [w.tolist() for w in relation.weights(q, k, shape, LIKE)]


def test_what_is_not_positive_is_negative():
    positive, negative = relation_weights(Relation(), {"sample": [0, 1]}, {"sample": [0, 1, -1]})
    assert positive == [[1, 0, 0], [0, 1, 0]]
    assert negative == [[0, 1, 1], [1, 0, 1]]


def test_without_columns_all_are_negative():
    positive, negative = Relation().weights({}, {}, (2, 3), LIKE)
    assert positive.sum() == 0
    assert negative.tolist() == [[1] * 3] * 2
    assert positive.dtype == negative.dtype == torch.float64


def test_the_point_itself_is_neither():
    both = {"label": [0, 0, 1], "_point": [0, 1, 2]}
    positive, negative = relation_weights(Relation(same("label")), both, both)
    assert positive == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert negative == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert itself(*pair(both, both)).tolist() == torch.eye(3).bool().tolist()


def test_a_duplicate_is_no_negative_but_may_be_positive():
    q, k = {"sample": [0, 1], "input": [7, 8]}, {"sample": [0, 2, 3], "input": [7, 7, 9]}
    positive, negative = relation_weights(Relation(), q, k)
    assert positive == [[1, 0, 0], [0, 0, 0]]
    assert negative == [[0, 0, 1], [1, 1, 1]]
    # not even where a rule says so
    positive, negative = relation_weights(Relation(negative=~same("sample")), q, k)
    assert negative == [[0, 0, 1], [1, 1, 1]]


def test_ignored_and_soft():
    relation = Relation(
        positive=kernel("age", lambda d: torch.exp(-d.abs())) & same("label"),
        ignored=kernel("age", lambda d: 0.5 * (d == 0)),
        negative=~same("label"),
    )
    q, k = {"age": [1.0, 2.0], "label": [0, 1]}, {"age": [1.0, 2.0], "label": [0, 0]}
    positive, negative = relation_weights(relation, q, k)
    e = pytest.approx(2.718281828459045**-1, rel=1e-6)
    # half ignored halves both weights
    assert positive == [[0.5, e], [0, 0]]
    assert negative == [[0, 0], [1, 0.5]]


def test_owned_keys_bring_their_own_positives():
    q = {"sample": torch.tensor([[0], [1]])}
    k = {
        "positive": torch.tensor([[0.5, 0], [0, 1.0]]),
        "valid": torch.tensor([[True, True], [False, True]]),
        "sample": torch.tensor([[-1, 0], [-1, -1]]),
    }
    positive, negative = Relation().weights(q, k, (2, 2), LIKE)
    assert positive.tolist() == [[0.5, 1], [0, 1]]  # by a weight, or by the rule
    assert negative.tolist() == [[0, 0], [0, 0]]  # all are positive but one, which is padding


@given(data=st.data())
def test_a_pair_is_not_both(data):
    """With the default negatives no pair has weight on both sides, and padding has none on either."""

    def ids(size):
        return data.draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))

    q = {"sample": ids(N), "input": ids(N), "partner": ids(N)}
    k = {"sample": ids(M), "input": ids(M), "partner": ids(M), "valid": [x >= 0 for x in ids(M)]}
    positive, negative = (torch.tensor(w) for w in relation_weights(Relation(), q, k))
    assert (positive * negative).sum() == 0
    for j, valid in enumerate(k["valid"]):
        if not valid:
            assert positive[:, j].sum() + negative[:, j].sum() == 0
    for i in range(N):
        for j in range(M):
            copies = (
                q["input"][i] == k["input"][j],
                q["partner"][i] == k["input"][j],
                q["input"][i] == k["partner"][j],
            )
            assert not (any(copies) and negative[i, j] > 0)


some_sets = st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=5)


def hot(sets):
    return torch.tensor([[float(member in one) for member in range(6)] for one in sets])


@given(q=some_sets, k=some_sets, owned=st.booleans())
def test_overlap_is_the_share_of_common_members(q, k, owned):
    wanted = [[len(a & b) / len(a | b) if a | b else 0.0 for b in k] for a in q]
    keys = hot(k)[None].expand(len(q), -1, -1) if owned else hot(k)[None]
    found = overlap("labels")({"labels": hot(q)[:, None]}, {"labels": keys})
    torch.testing.assert_close(found, torch.tensor(wanted))


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_overlap_of_single_members_is_same(labels):
    sets, one = hot([{x} for x in labels]), torch.tensor(labels)
    found = overlap("labels")({"labels": sets[:, None]}, {"labels": sets[None]})
    assert torch.equal(found, same("label")({"label": one[:, None]}, {"label": one[None]}).float())


def test_overlap_without_its_column_holds_for_nobody():
    assert overlap("labels")({}, {"labels": torch.ones(1, 1, 2)}) is None


@given(st.integers(0, 2**31), st.booleans())
def test_near_is_a_cosine_of_two_vectors(seed, owned):
    g = torch.Generator().manual_seed(seed)
    q, k = torch.randn(N, 2, generator=g), torch.randn(*((N, M) if owned else (1, M)), 2, generator=g)
    k[0, 1] = 0.0
    found = near("guide", 0.5)({"guide": q[:, None]}, {"guide": k}).expand(N, M)
    for i in range(N):
        for j in range(M):
            cosine = float(torch.cosine_similarity(q[i], k[i if owned else 0, j], 0))
            if abs(cosine - 0.5) > 1e-5:
                assert bool(found[i, j]) == (cosine >= 0.5)
    assert not found[0, 1]


def test_near_asks_for_a_cosine_and_for_its_column():
    assert near("guide", 0.5)({}, {"guide": torch.ones(1, 1, 2)}) is None
    for least in (0.0, 1.1):
        with pytest.raises(InputError, match="near from a cosine"):
            near("guide", least)


@given(st.integers(0, 2**31), st.booleans())
def test_as_near_as_own_compares_a_guide_s_cosines(seed, owned):
    g = torch.Generator().manual_seed(seed)
    asked, own = torch.randn(N, 2, generator=g), torch.randn(N, 2, generator=g)
    k = torch.randn(*((N, M) if owned else (1, M)), 2, generator=g)
    found = as_near_as_own("asked", "said")({"asked": asked[:, None], "said": own[:, None]}, {"said": k})
    assert found.shape == (N, M)
    for i in range(N):
        for j in range(M):
            cosine = float(torch.cosine_similarity(asked[i], k[i if owned else 0, j], 0))
            wanted = float(torch.cosine_similarity(asked[i], own[i], 0))
            if abs(cosine - wanted) > 1e-5:
                assert bool(found[i, j]) == (cosine >= wanted)


def test_as_near_as_own_holds_for_nobody_of_whom_nothing_is_known():
    z = torch.ones(1, 1, 2)
    for q, k in (({"asked": z}, {"said": z}), ({"said": z}, {"said": z}), ({"asked": z, "said": z}, {})):
        assert as_near_as_own("asked", "said")(q, k) is None


def test_share_is_the_key_s_whatever_the_query():
    keys = {"part": torch.tensor([[0.5, 0.25]]), "label": torch.tensor([[1, 2]])}
    queries = {"label": torch.tensor([[1], [2]])}
    assert share("part")(queries, {}) is None
    assert (same("label") & share("part"))(queries, keys).tolist() == [[0.5, 0.0], [0.0, 0.25]]
