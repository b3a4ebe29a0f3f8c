"""From data to the task that fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data import Example, Retrieval
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.tasks import BothWays, Collection, Find, Labels, LabelSets, Similar, task_for

PICTURES = Items("image", torch.rand(4, 1, 6, 6))
IDS = torch.arange(4)
ASKED = Items("query", torch.stack([IDS, IDS], 1))
WORDS = ("one two three four", "five six seven eight", "a b c d", "e f g h")
TEXTS = Items("text", list(WORDS))


class Nothing:
    def encode_items(self, items, *, kind=None):
        return np.ones((len(items), 2), np.float32)


@pytest.mark.parametrize(
    ("data", "kind", "metric", "baselines"),
    [
        (rows_of([Example(w, (w[::-1],)) for w in WORDS]), Find, "mrr@10", ["BM25", "textbook BM25"]),
        (rows_of([Example(w) for w in WORDS]), Find, "mrr@10", ["BM25", "textbook BM25"]),
        (rows_of([Example(w, (w,), score=float(len(w))) for w in WORDS]), Similar, "spearman", []),
        (rows_of([Example(w, label=w[:1]) for w in WORDS]), Labels, "knn accuracy", []),
        (rows_of([Example(w, labels=(w[:1], "z")) for w in WORDS]), LabelSets, "knn micro f1", []),
        (Data.alone(PICTURES), Find, "mrr@10", ["pixels"]),
        (Data.alone(PICTURES, label=IDS % 2), Labels, "knn accuracy", ["pixels"]),
        (Data(PICTURES, IDS, PICTURES, IDS.flip(0)[:, None]), Find, "mrr@10", ["pixels"]),
        (Data(PICTURES, IDS, TEXTS, IDS[:, None]), BothWays, "mean recall", []),
        (Data(TEXTS, IDS, PICTURES, IDS[:, None]), BothWays, "mean recall", []),
        (
            Data(Items("query", torch.stack([IDS, IDS], 1)), IDS, Items("entity", IDS), IDS[:, None]),
            Find,
            "mrr",
            ["frequent tails"],
        ),
    ],
)
def test_each_kind_of_data_has_its_task(data, kind, metric, baselines):
    task = task_for(data, data, data, Nothing())
    assert (type(task), task.metric) == (kind, metric)
    measured = task.measure("nothing", Nothing())
    assert metric in measured.figures
    assert [m.name for m in task.baselines()] == baselines
    assert isinstance(task.validate(Nothing()), float)
    assert len(task.picture(measured, measured).after.points) > 0
    assert sum(task.scores(measured).positive) + sum(task.scores(measured).negative) > 0
    combined = task.combined(task.baselines(), measured)
    assert [m.name for m in combined] == (["BM25 + nothing"] if "BM25" in baselines else [])
    task.queries(measured, measured)


def test_a_model_that_knows_nothing_is_worth_chance():
    data = Data(PICTURES, IDS, TEXTS, IDS[:, None])
    figures = task_for(data, data, data, Nothing()).measure("nothing", Nothing()).figures
    assert figures["image to text hit@1"].value == pytest.approx(1 / 4)
    assert figures["text to image mean rank"].value == pytest.approx(2.5)


def test_a_collection_of_its_own_is_searched_as_it_is():
    test = Collection.of(Retrieval({"1": "a", "2": "b"}, {"q": "a"}, {"q": {"1": 1.0}}, "memory"))
    train = rows_of([Example("x", ("y",))])
    encoder = StaticEncoder.from_corpus(["a b x y"], dim=4)
    task = task_for(train, rows_of([Example("v", ("w",))]), test, encoder)
    assert task.test is test
    assert sorted(task.dev.corpus.texts) == ["w", "y"]


def test_the_encoder_s_own_similarity_ranks():
    class Dot:
        similarity = "dot"

        def encode_items(self, items, *, kind=None):
            return np.array([[1.0] if kind == "query" else [float(len(text))] for text in items.texts], np.float32)

    data = rows_of([Example("a", ("long text",)), Example("b", ("x",))])
    assert task_for(data, data, data, Dot()).measure("x", Dot()).figures["recall@1"].values.tolist() == [1, 0]
