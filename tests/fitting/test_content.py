"""What a report says of groups of the test queries."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.data import Retrieval
from counterpoint.evaluate import compare, figure
from counterpoint.fitting.content import _groups
from counterpoint.tasks import Collection, Find

DOCUMENTS = {f"d{i}": f"word{i} of all" for i in range(40)}
SPOKEN = {f"q{i}": "other" if i % 4 == 0 else "same" for i in range(40)}


class Sees:
    """Knows every text by its number, whatever its language."""

    def encode_items(self, items, *, kind=None):
        z = np.zeros((len(items), 40), dtype=np.float32)
        for row, text in enumerate(items.texts):
            z[row, int("".join(filter(str.isdigit, text)))] = 1
        return z


def task(order):
    queries = {f"q{i}": f"word{i}" if SPOKEN[f"q{i}"] == "same" else f"wort {i}" for i in order}
    # judgements in another order than the queries
    qrels = {f"q{i}": {f"d{i}": 1.0} for i in reversed(order)}
    test = Collection.of(Retrieval(DOCUMENTS, queries, qrels, "memory"))
    return Find(test, test)


@pytest.mark.parametrize("order", [range(40), range(39, -1, -1)])
def test_each_group_has_the_figures_of_its_own_queries(order):
    done = task(list(order))
    bm25 = done.baselines()[0]
    trained = done.measure("trained", Sees())
    measured = [bm25, trained, *done.combined([bm25], trained)]
    same, other = _groups({"language": SPOKEN}, done, measured, trained)
    assert (same.column, same.name, other.name) == ("language", "same", "other")
    assert [s.name for s in same.systems] == [m.name for m in measured]
    for group, n in ((same, 30), (other, 10)):
        (difference,) = group.differences
        assert (difference.a, difference.b, difference.metric) == ("trained", "BM25", "mrr@10")
        assert {f.n for s in group.systems for f in s.figures.values()} == {difference.n} == {n}
        for m, shown in zip(measured, group.systems, strict=True):
            for name, whole in m.figures.items():
                chosen = [v for v, item in zip(whole.values, whole.items, strict=True) if SPOKEN[item] == group.name]
                again = figure(name, np.array(chosen))
                assert shown.figures[name].value == pytest.approx(again.value)
                assert shown.figures[name].low == pytest.approx(again.interval.low)
        scores = [
            figure(
                "x",
                np.array(
                    [
                        v
                        for v, q in zip(m.figures["mrr@10"].values, m.figures["mrr@10"].items, strict=True)
                        if SPOKEN[q] == group.name
                    ]
                ),
            )
            for m in (bm25, trained)
        ]
        assert difference.value == pytest.approx(compare(*scores).value)
    # BM25 finds something for the words that it has, and nothing for the others
    assert same.differences[0].answered == 1.0
    assert other.differences[0].answered == 0.0
    assert bm25.answered == 0.75


def test_a_column_of_one_value_makes_no_group():
    done = task(list(range(40)))
    trained = done.measure("trained", Sees())
    columns = {"language": dict.fromkeys(SPOKEN, "same"), "source": SPOKEN}
    assert [g.column for g in _groups(columns, done, [trained], trained)] == ["source", "source"]
