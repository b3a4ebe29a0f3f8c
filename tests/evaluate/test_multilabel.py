"""F1 of sets of labels against scikit-learn; neighbours and probes against loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from counterpoint.data import Example, TextData
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate_any, figure, indicators, knn_sets, multilabel_classification, probe_sets

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(60, 5)).astype(np.float32)
SETS = [tuple(n for n, x in zip("abcd", z, strict=False) if x > 0.4) for z in Z]


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_f1_of_sets(average):
    said, true = RNG.random((40, 6)) < 0.3, RNG.random((40, 6)) < 0.4
    f = figure("f1", said.astype(int), true.astype(int), statistic=f"{average}_f1")
    assert f.value == pytest.approx(f1_score(true, said, average=average))
    assert f.interval.low < f.value < f.interval.high
    # as many items in a resample, drawn by hand
    rng = np.random.default_rng(0)
    drawn = [f1_score(true[i], said[i], average=average, zero_division=0) for i in rng.integers(40, size=(2000, 40))]
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([f.interval.low, f.interval.high], abs=0.01)


def test_micro_f1_of_single_classes_is_the_accuracy():
    said, true = np.array(["a", "b", "a", "c"]), np.array(["a", "b", "c", "c"])
    assert figure("f1", said, true, statistic="micro_f1").value == 0.75


def test_nothing_said_and_nothing_true_is_zero():
    none = np.zeros((3, 2), dtype=int)
    assert [figure("f", none, none, statistic=s).value for s in ("micro_f1", "macro_f1")] == [0.0, 0.0]


def test_neighbours():
    y = indicators(SETS, list("abcd"))
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    for row, test in zip(knn_sets(Z[:40], y[:40], Z[40:], k=5), unit[40:], strict=True):
        nearest = np.argsort(-(unit[:40] @ test))[:5]
        assert row.tolist() == [int(sum(y[i, label] for i in nearest) >= 2.5) for label in range(4)]


def test_probes():
    y = indicators(SETS, list("abcd"))
    model = OneVsRestClassifier(LogisticRegression(max_iter=5000)).fit(Z[:40], y[:40])
    assert np.array_equal(probe_sets(Z[:40], y[:40], Z[40:]), model.predict(Z[40:]))


def test_a_label_that_training_does_not_have_is_missed():
    found = multilabel_classification(Z[:2], [("a",), ("a",)], Z[:2], [("a",), ("a", "new")], k=1, samples=0)
    assert found["knn_micro_f1"].value == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert found["knn_macro_f1"].value == 0.5


def test_figures_for_each_column():
    sets = [(f"place={p}", f"mood={m}") for p in "xy" for m in "gb" for _ in range(3)]
    z = indicators(sets, sorted({label for s in sets for label in s})).astype(np.float32)
    found = multilabel_classification(z, sets, z, sets, k=3)
    assert [name for name in found if ":" in name] == ["mood: knn_micro_f1", "place: knn_micro_f1"]
    assert all(f.value == 1.0 for f in found.values())


def test_bad_input():
    with pytest.raises(InputError, match="no row has a label"):
        multilabel_classification(Z[:2], [(), ()], Z[:2], [(), ()])
    with pytest.raises(InputError, match="do not fit"):
        multilabel_classification(Z[:2], [()], Z[:2], [("a",), ()])
    with pytest.raises(InputError, match="not finite"):
        multilabel_classification(Z[:2] * np.nan, [("a",), ()], Z[:2], [("a",), ()])


def test_evaluate_any_knows_them():
    class Letters:
        def encode(self, texts, *, kind=None):
            return np.array([[text.count(letter) + 0.1 for letter in "abc"] for text in texts], dtype=np.float32)

    rows = [Example(a + b + "z" * i, labels=tuple({a, b})) for i in range(4) for a in "abc" for b in "abc"]
    (result,) = evaluate_any(Letters(), TextData("labelled", rows, "memory"), samples=0)
    assert result.task == "multi-label classification"
    assert result["probe_micro_f1"].value > 0.9
