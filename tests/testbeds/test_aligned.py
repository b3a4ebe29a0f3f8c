"""What belongs together in a test of each kind, and how near it is, beside a loop over items."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data import Example, Retrieval
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.tasks import Collection
from counterpoint.testbeds import Made
from counterpoint.testbeds.aligned import alignment
from counterpoint.testbeds.texts import alignment_of_like

WORDS = [f"text {i}" for i in range(12)]
VECTORS = dict(zip(WORDS, np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32), strict=True))


class Known:
    """The same text is another vector as a query."""

    def encode_items(self, items, *, kind=None):
        return np.array([VECTORS[text] * ([-1, 1, 1, 1, 1] if kind == "query" else 1) for text in items.texts])


def measured(test) -> float:
    return alignment.of(Made("here", Known(), (rows_of([Example("text 0", ("text 1",))]), test), 0))


def looped(pairs, query=False) -> float:
    squares = []
    for first, second in pairs:
        x, y = VECTORS[first].copy(), VECTORS[second]
        x[0] *= -1 if query else 1
        squares.append(2 - 2 * float(x @ y) / float(np.linalg.norm(x) * np.linalg.norm(y)))
    return sum(squares) / len(squares)


def test_of_a_collection_each_query_and_each_document_that_answers_it():
    corpus, queries = {str(i): WORDS[i] for i in range(8)}, {"q": "text 8", "r": "text 9", "s": "text 10"}
    judged = {"q": {"3": 1.0, "5": 2.0, "4": 0.0}, "r": {"0": 1.0}, "s": {"7": 1.0, "elsewhere": 1.0}}
    pairs = [("text 8", "text 3"), ("text 8", "text 5"), ("text 9", "text 0"), ("text 10", "text 7")]
    test = Collection.of(Retrieval(corpus, queries, judged, "memory"))
    assert measured(test) == pytest.approx(looped(pairs, query=True), abs=1e-5)


def test_of_rows_with_positives_each_and_each_of_its_positives():
    rows = [Example("text 0", ("text 1", "text 2"), ("text 5",)), Example("text 3", ("text 4",))]
    pairs = [("text 0", "text 1"), ("text 0", "text 2"), ("text 3", "text 4")]
    assert measured(rows_of(rows)) == pytest.approx(looped(pairs), abs=1e-5)
    # over some of the rows, and with a column that is not a score
    data = rows_of(rows)
    data = Data(data.anchors, data.anchor, data.others, data.positives, columns={"language": torch.tensor([4, 5])})
    assert measured(data[torch.tensor([1])]) == pytest.approx(looped(pairs[2:]), abs=1e-5)


def test_of_rows_with_pictures_every_two_of_one():
    # the first row is the last text, and two are of no picture that is known
    data = Data(
        Items("text", WORDS[:7]), torch.arange(6, -1, -1), columns={"picture": torch.tensor([3, 8, 3, -1, 8, 3, -1])}
    )
    pairs = [("text 6", "text 4"), ("text 6", "text 1"), ("text 4", "text 1"), ("text 5", "text 2")]
    assert measured(data) == pytest.approx(looped(pairs), abs=1e-5)


def test_of_scored_pairs_those_that_people_find_alike():
    scored = [(0, 1, 5.0), (2, 3, 4.0), (4, 5, 3.9), (6, 7, 0.0)]
    data = rows_of([Example(WORDS[i], (WORDS[j],), score=score) for i, j, score in scored])
    assert measured(data) == pytest.approx(looped([("text 0", "text 1"), ("text 2", "text 3")]), abs=1e-5)
    like = alignment_of_like.of(Made("here", Known(), (data, data), 0))
    assert measured(data) == pytest.approx(like, abs=1e-6)


def test_vectors_are_compared_at_length_one():
    assert measured(rows_of([Example("text 0", ("text 0",))])) == pytest.approx(0, abs=1e-6)


def test_where_nothing_belongs_together_it_says_so():
    with pytest.raises(InputError, match="nothing in the test belongs together"):
        measured(Data.alone(Items("text", WORDS), label=torch.arange(12)))
