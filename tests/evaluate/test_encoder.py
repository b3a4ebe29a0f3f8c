"""Evaluation of an encoder: which prompt goes where, and figures on real data."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from counterpoint.data import Example, Retrieval, TextData, read
from counterpoint.errors import InputError
from counterpoint.evaluate import (
    evaluate_any,
    evaluate_classification,
    evaluate_clustering,
    evaluate_rankings,
    evaluate_retrieval,
    evaluate_sts,
    named,
    rank,
)
from counterpoint.evaluate.places import by_hash
from counterpoint.search import BM25

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))


class Hashed:
    """Bags of hashed words: an encoder that needs no model."""

    def __init__(self):
        self.kinds = []

    def encode(self, texts, *, kind=None):
        self.kinds.append(kind)
        z = np.zeros((len(texts), 512), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                z[row, zlib.crc32(word.encode()) % 512] += 1
        return z


RETRIEVAL = Retrieval(
    {"1": "red apples", "2": "blue boats", "3": "green hills"},
    {"a": "boats that are blue", "b": "hills", "c": "nothing"},
    {"a": {"2": 1.0}, "b": {"3": 2.0, "1": 1.0}, "c": {"1": 0.0}},
    "memory",
)


def test_retrieval_uses_both_prompts_and_ranks_exactly():
    encoder = Hashed()
    result = evaluate_retrieval(encoder, RETRIEVAL, metrics=["mrr@10", "recall@1"])
    assert encoder.kinds == ["query", "document"]
    ranked = rank(encoder, RETRIEVAL, 2)
    assert [ranked[q][0] for q in ("a", "b")] == ["2", "3"]
    # what scores 0 is tied, and does not stand as the corpus does
    assert next(d for d in by_hash(RETRIEVAL.corpus) if d != "2") == ranked["a"][1]
    assert rank(encoder, RETRIEVAL, 3)["c"] == list(by_hash(RETRIEVAL.corpus))
    assert result["mrr@10"].values.tolist() == [1, 1]
    assert result["recall@1"].values.tolist() == [1, 0.5]
    assert result.source == "memory"
    assert result.notes == ("queries left out, as no document is relevant: 1",)


def test_any_data_finds_its_evaluation():
    pairs = TextData("pairs", [Example("a cat", ("cat a",)), Example("a dog", ("dog a",))], "memory")
    scored = TextData("scored", [Example("a", ("a",), score=1.0), Example("a", ("b",), score=0.0)], "memory")
    labelled = TextData("labelled", [Example(w, label=w) for w in ("x", "x", "y", "y")] * 4, "memory")
    assert evaluate_any(Hashed(), RETRIEVAL)[0].task == "retrieval"
    assert evaluate_any(Hashed(), pairs)[0]["mrr@10"].value == 1
    correlated, told_apart = evaluate_any(Hashed(), scored)
    assert correlated["spearman"].value == pytest.approx(1)
    assert told_apart.task == "pair classification"
    assert told_apart["average precision"].value == 1
    graded = TextData("scored", [*scored.examples, Example("a", ("a b",), score=0.5)], "memory")
    assert [result.task for result in evaluate_any(Hashed(), graded)] == ["sts"]
    classified, clustered = evaluate_any(Hashed(), labelled)
    assert classified["knn_accuracy"].value == classified["probe_accuracy"].value == 1
    assert classified["knn_accuracy"].n == 8
    assert clustered["ari"].value == 1
    assert evaluate_any(Hashed(), labelled, labelled)[0]["knn_accuracy"].n == 16
    with pytest.raises(InputError, match="1 rows of texts where labelled ones are needed"):
        evaluate_any(Hashed(), TextData("texts", [Example("a")], "memory"))
    with pytest.raises(InputError, match="where scored ones are needed"):
        evaluate_sts(Hashed(), pairs)


def test_what_cannot_be_wrong_is_not_measured():
    """One score, or one label for all: any model, whatever it knows, would get the same figure."""
    scored = TextData("scored", [Example(word, ("a",), score=3.0) for word in "abcd"], "memory")
    with pytest.raises(InputError, match="all scores are the same; give scores that differ"):
        evaluate_any(Hashed(), scored)
    one = TextData("labelled", [Example(word, label="x") for word in "abcd"], "memory")
    sets = TextData("labelled", [Example(word, labels=("x", "y")) for word in "abcd"], "memory")
    for same in (one, sets):
        with pytest.raises(InputError, match="all rows have the same labels; give rows whose labels differ"):
            evaluate_any(Hashed(), same)
    some = TextData("labelled", [Example(word, labels=("x",) * (word > "b")) for word in "abcd"], "memory")
    assert evaluate_any(Hashed(), some)[0]["knn_micro_f1"].n > 0


@pytest.mark.skipif(not DATA.exists(), reason="no test data here")
class TestRealData:
    def test_sts(self):
        data = read(DATA / "stsb" / "en-test.tsv")
        result = evaluate_sts(Hashed(), data, samples=200)
        assert result["spearman"].n == 1379
        assert 0.4 < result["spearman"].value < 0.5  # words in common go some way
        assert result["spearman"].interval.high - result["spearman"].interval.low < 0.1

    def test_classification_and_clustering(self):
        train, test = (read(DATA / "classify" / f"trec-{part}.tsv") for part in ("train", "test"))
        coarse = [
            TextData("labelled", [Example(e.anchor, label=e.label.split(":")[0]) for e in d.examples[:1500]], d.source)
            for d in (train, test)
        ]
        result = evaluate_classification(Hashed(), *coarse, samples=100)
        assert 0.6 < result["probe_accuracy"].value < 0.9
        assert result["knn_accuracy"].value > 0.5
        assert 0 < evaluate_clustering(Hashed(), coarse[1], seeds=[0])["v_measure"].value < 0.5

    def test_bm25_on_cisi(self):
        pytest.importorskip("Stemmer")
        data = read(DATA / "cisi")
        ids, _ = BM25(list(data.corpus.values())).search(list(data.queries.values()), 100)
        rankings = named(ids, list(data.queries), list(data.corpus))
        result = evaluate_rankings(rankings, data.qrels, samples=200)
        assert result["mrr@10"].n == 76
        assert result["ndcg@10"].value == pytest.approx(0.360, abs=0.005)


def test_labels_to_learn_from_are_of_one_kind_with_those_of_the_test():
    one = TextData("labelled", [Example(word, label=word[0]) for word in ("ab", "ac", "bb", "bc")], "memory")
    several = TextData(
        "labelled", [Example(word, labels=("x", "y")[: 1 + i % 2]) for i, word in enumerate("abcd")], "more"
    )
    with pytest.raises(InputError, match="texts with several labels to learn from"):
        evaluate_any(Hashed(), one, several)


def test_labelled_texts_are_encoded_once():
    """Neighbours, the probe and clustering are of the same vectors."""
    seen = []

    class Counted(Hashed):
        def encode(self, texts, **options):
            seen.extend(texts)
            return super().encode(texts, **options)

    rows = [Example(f"{w} {i}", label=w) for i in range(6) for w in ("x", "y")]
    evaluate_any(Counted(), TextData("labelled", rows, "memory"))
    assert sorted(seen) == sorted(e.anchor for e in rows)


@pytest.mark.parametrize("order", ["turns", "sorted"])
def test_both_halves_have_every_label(order):
    rows = [Example(f"{w} {i}", label=w) for i in range(6) for w in ("x", "y")]
    if order == "sorted":
        rows.sort(key=lambda e: e.label)
    classified = evaluate_any(Hashed(), TextData("labelled", rows, "memory"))[0]
    assert classified["knn_accuracy"].n == 6
    assert classified["probe_accuracy"].value == 1.0
