"""Bitext mining against loops over the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from counterpoint.errors import InputError
from counterpoint.evaluate import bitext, margins, mined, mining


def translations(seed, n=40, d=8, noise=0.9):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, x + noise * rng.normal(size=(n, d))


def unit(z):
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def naive_margin(x, y, i, j, k):
    cosine = unit(x) @ unit(y).T
    near = np.sort(cosine[i])[::-1][:k].sum() + np.sort(cosine[:, j])[::-1][:k].sum()
    return cosine[i, j] / (near / (2 * k))


def test_margins():
    x, y = translations(0)
    ids, scores = margins(x, y, 4)
    cosine = unit(x) @ unit(y).T
    for i in range(len(x)):
        assert sorted(ids[i]) == sorted(np.argsort(-cosine[i])[:4])
        for j, score in zip(ids[i], scores[i], strict=True):
            assert score == pytest.approx(naive_margin(x, y, i, j, 4), rel=1e-4)


def test_figures():
    x, y = translations(1)
    result = bitext(x, y, samples=50)
    cosine, truth = unit(x) @ unit(y).T, np.arange(len(x))
    there, back = cosine.argmax(1), cosine.argmax(0)
    assert result["accuracy"].value == pytest.approx((there == truth).mean())
    assert result["accuracy back"].value == pytest.approx((back == truth).mean())
    assert result["mean accuracy"].value == pytest.approx(((there == truth).mean() + (back == truth).mean()) / 2)
    for way, said in (("f1", there), ("f1 back", back)):
        assert result[way].value == pytest.approx(f1_score(truth, said, average="weighted", zero_division=0))
    ids, scores = margins(x, y, 4)
    best = ids[truth, scores.argmax(1)]
    assert result["margin accuracy"].value == pytest.approx((best == truth).mean())
    assert 0.3 < result["accuracy"].value < 1
    assert result["accuracy"].interval.low < result["accuracy"].value


def test_hubs_are_what_margins_are_for():
    # one sentence of y is near everything
    x, y = translations(2, noise=0.5)
    y = np.concatenate([y[:-1], [unit(x).mean(0) * 5]])
    x[:, 0] += 2
    y[:, 0] += 2
    result = bitext(x, y, samples=0)
    assert result["margin accuracy"].value > result["accuracy"].value


def naive_mining(x, y, gold, k):
    candidates = {}
    for one, other, turned in ((x, y, False), (y, x, True)):
        cosine = unit(one) @ unit(other).T
        for i in range(len(one)):
            near = np.argsort(-cosine[i])[:k]
            scores = [naive_margin(one, other, i, j, k) for j in near]
            j = near[int(np.argmax(scores))]
            candidates[(j, i) if turned else (i, j)] = max(scores)
    taken, kept = (set(), set()), []
    for (i, j), score in sorted(candidates.items(), key=lambda item: -item[1]):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            kept.append(((i, j), score))
    best = 0.0
    for cut in range(1, len(kept) + 1):
        hits = sum(pair in gold for pair, _ in kept[:cut])
        best = max(best, 2 * hits / (cut + len(gold)))
    return kept, best


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(5, 20), m=st.integers(5, 20))
def test_mining(seed, n, m):
    x, y = translations(seed, n=max(n, m), noise=0.6)
    x, y = x[:n], y[:m]
    gold = {(i, i) for i in range(min(n, m)) if i % 3}
    kept, best = naive_mining(x, y, gold, 4)
    pairs, scores = mined(x, y, 4)
    assert [tuple(pair) for pair in pairs.tolist()] == [pair for pair, _ in kept]
    np.testing.assert_allclose(scores, [score for _, score in kept], rtol=1e-4)
    result = mining(x, y, gold, samples=0)
    assert result["mining f1"].value == pytest.approx(best)
    assert result.notes[0].startswith("threshold of mining f1, fitted on these pairs: margin ")


def test_copies_of_the_translation_are_right():
    x = np.eye(3)
    y = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    # x_0 finds both copies, each as often
    assert bitext(x, y, samples=0)["accuracy"].values.tolist()[0] == 0.5
    texts = ["a", "b", "c"], ["A", "A", "C"]
    assert bitext(x, y, texts=texts, samples=0)["accuracy"].values.tolist()[0] == 1.0
    assert bitext(x, y, texts=texts, samples=0)["accuracy"].values.tolist()[2] == 1.0


def test_refusals():
    x, y = translations(0)
    with pytest.raises(InputError, match="do not pair up"):
        bitext(x, y[:-1])
    with pytest.raises(InputError, match="do not pair up"):
        bitext(x[:1], y[:1])
    with pytest.raises(InputError, match="no pair is a translation"):
        mining(x, y, [])
