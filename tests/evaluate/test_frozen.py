"""Probes of frozen embeddings against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from counterpoint.errors import InputError
from counterpoint.evaluate import classification, clustering, knn, nearest_mean, probe, similarity, sts


@pytest.fixture(scope="module")
def digits():
    z, y = load_digits(return_X_y=True)
    return (z - z.mean(0))[:800], [f"digit {i}" for i in y[:800]]


def test_knn_equals_scikit_learn(digits):
    z, y = digits
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    for k in (1, 5):
        theirs = KNeighborsClassifier(k).fit(unit[:500], y[:500])
        ours = knn(z[:500], y[:500], z[500:], k=k)
        votes = np.sort(theirs.predict_proba(unit[500:]), axis=1)
        decided = votes[:, -1] > votes[:, -2]  # ties are broken differently
        assert decided.mean() > 0.95
        assert (ours == theirs.predict(unit[500:]))[decided].all()


def test_knn_ties_go_to_the_closer_votes():
    train = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert knn(train, ["b", "a"], np.array([[0.9, 0.5], [0.5, 0.9]]), k=2).tolist() == ["b", "a"]
    assert knn(train, ["b", "a"], np.array([[1.0, 1.0]]), k=2).tolist() == ["a"]
    assert knn(train, ["b", "a"], np.array([[1.0, 1.0]]), k=99).tolist() == ["a"]


def test_as_near_as_the_last_neighbour_share_its_votes():
    train = np.array([[1.0, 0.0]] * 5)
    near = np.array([[1.0, 0.0]])
    # three of five votes for b, whichever two neighbours are asked for
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        labels = np.array(["a", "a", "b", "b", "b"])[order].tolist()
        assert knn(train, labels, near, k=2).tolist() == ["b"]
    # the one that is nearer has a whole vote, the others half of one each
    assert knn(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]), ["a", "b", "c"], near, k=2).tolist() == ["a"]


@settings(max_examples=100)
@given(
    values=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=12),
    k=st.integers(1, 13),
    seed=st.integers(0, 99),
)
def test_knn_does_not_depend_on_the_order_of_the_rows(values, k, seed):
    angles = np.array([v for v, _ in values]) / 3
    train, labels = np.stack([np.cos(angles), np.sin(angles)], axis=1), [label for _, label in values]
    test = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])
    order = np.random.default_rng(seed).permutation(len(values))
    expected = knn(train, labels, test, k=k).tolist()
    assert knn(train[order], [labels[i] for i in order], test, k=k).tolist() == expected
    # exactly: the mean votes over all ways to draw what is missing among those that tie
    for row, said in zip(np.round(test @ train.T, 6), expected, strict=True):
        last = sorted(row, reverse=True)[: min(k, len(row))][-1]
        share = (min(k, len(row)) - (row > last).sum()) / (row == last).sum()
        votes = {
            c: sum((s > last) + share * (s == last) for s, own in zip(row, labels, strict=True) if own == c)
            for c in "abc"
        }
        assert votes[said] == pytest.approx(max(votes.values()))


def test_classification_figures(digits):
    z, y = digits
    result = classification(z[:500], y[:500], z[500:], y[500:], k=5, source="digits")
    truth = np.array(y[500:])
    for kind, said in (("knn", knn(z[:500], y[:500], z[500:], k=5)), ("probe", probe(z[:500], y[:500], z[500:]))):
        assert result[f"{kind}_accuracy"].value == pytest.approx(accuracy_score(truth, said))
        assert result[f"{kind}_macro_f1"].value == pytest.approx(f1_score(truth, said, average="macro"))
        assert result[f"{kind}_accuracy"].value > 0.8
        interval = result[f"{kind}_macro_f1"].interval
        assert interval.low < result[f"{kind}_macro_f1"].value < interval.high


def test_clustering(digits):
    z, y = digits
    result = clustering(z, y, seeds=[0, 1, 2])
    assert 0.5 < result["v_measure"].value < 0.9
    assert 0.4 < result["ari"].value < result["nmi"].value
    assert result["ari"].values.shape == (3,)
    assert result["ari"].items == ("seed 0", "seed 1", "seed 2")
    interval = result["ari"].interval
    assert (interval.low, interval.high) == pytest.approx(
        stats.t.interval(0.95, 2, np.mean(result["ari"].values), stats.sem(result["ari"].values))
    )
    shuffled = np.random.default_rng(0).permutation(y).tolist()
    assert abs(clustering(z, shuffled, seeds=[0])["ari"].value) < 0.02
    assert clustering(np.ones((6, 2)), ["a", "b"] * 3, seeds=[0])["v_measure"].value == 0  # collapsed, no warning


def test_similarity_and_sts():
    rng = np.random.default_rng(0)
    x, y, gold = (
        rng.normal(size=(50, 8)).astype(np.float32),
        rng.normal(size=(50, 8)).astype(np.float32),
        rng.random(50),
    )
    cosine = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(similarity(x, y), cosine, rtol=1e-4)
    result = sts(x, y, gold.tolist(), metrics=["cosine", "dot", "euclidean", "manhattan", "modulus"], samples=100)
    assert list(result) == [
        "spearman",
        "pearson",
        "spearman_dot",
        "pearson_dot",
        "spearman_euclidean",
        "pearson_euclidean",
        "spearman_manhattan",
        "pearson_manhattan",
        "spearman_modulus",
        "pearson_modulus",
    ]
    assert result["spearman"].value == pytest.approx(stats.spearmanr(cosine, gold)[0])
    assert result["pearson_dot"].value == pytest.approx(stats.pearsonr((x * y).sum(1), gold)[0], rel=1e-5)
    distance = np.linalg.norm(x - y, axis=1)
    assert result["spearman_euclidean"].value == pytest.approx(stats.spearmanr(-distance, gold)[0])
    assert result["pearson_manhattan"].value == pytest.approx(stats.pearsonr(-np.abs(x - y).sum(1), gold)[0], rel=1e-5)
    moduli = np.abs((x - y)[:, :4] + 1j * (x - y)[:, 4:]).sum(1)
    assert result["pearson_modulus"].value == pytest.approx(stats.pearsonr(-moduli, gold)[0], rel=1e-5)
    assert sts(np.ones((3, 2)), np.ones((3, 2)), [1, 2, 3])["spearman"].value == 0  # a collapsed model
    assert similarity(np.zeros((1, 2)), np.ones((1, 2))).tolist() == [0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: knn(np.ones((2, 2)), ["a"], np.ones((1, 2))), "1 labels do not fit"),
        (lambda: knn(np.ones((0, 2)), [], np.ones((1, 2))), "do not fit"),
        (lambda: probe(np.ones((2, 2)), ["a", "a"], np.ones((1, 2))), "all the same"),
        (lambda: probe(np.full((2, 2), np.nan), ["a", "b"], np.ones((1, 2))), "NaN"),
        (lambda: clustering(np.ones((2, 2)), ["a", "a"]), "all the same"),
        (lambda: classification(np.eye(2), ["a", "b"], np.eye(2), ["a"]), "1 labels do not fit"),
        (lambda: sts(np.ones((2, 2)), np.ones((3, 2)), [1, 2]), "do not pair up"),
        (lambda: sts(np.ones((2, 2)), np.ones((2, 2)), [1]), "2 values and 1 references"),
        (lambda: sts(np.ones((2, 2)), np.ones((2, 2)), [1, np.nan]), "NaN"),
        (lambda: similarity(np.ones((2, 2)), np.ones((2, 2)), "hamming"), "hamming"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_nearest_mean_equals_scikit_learn(digits):
    z, y = digits
    z = z + np.random.default_rng(0).normal(0, 0.1, z.shape)  # theirs warns of constant pixels
    theirs = NearestCentroid().fit(z[:500], y[:500]).predict(z[500:])
    assert (nearest_mean(z[:500], y[:500], z[500:], metric="euclidean") == theirs).all()
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    means = np.stack([unit[:500][np.array(y[:500]) == c].mean(0) for c in np.unique(y)])
    cosines = unit[500:] @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    assert (nearest_mean(z[:500] * 7, y[:500], z[500:]) == np.unique(y)[cosines.argmax(1)]).all()
    with pytest.raises(InputError, match="do not fit"):
        nearest_mean(z[:5], y[:4], z)
