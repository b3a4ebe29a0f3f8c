"""BM25 against its formula written out, and against bm25s."""

from __future__ import annotations

import builtins
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from counterpoint.errors import InputError, MissingExtra
from counterpoint.search import BM25, words
from counterpoint.search.bm25 import STOPWORDS

pytest.importorskip("Stemmer")
DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
CISI = DATA / "cisi" / "corpus.jsonl"
TEXTS = [
    "The cat sat on the mat; the cat purred.",
    "Dogs chase cats, and cats chase mice.",
    "A treatise on information retrieval and on the retrieval of information",
    "mice",
    "",
]


def formula(texts, query, k1, b):
    """One score a text, as Lucene defines it, without stemming or stop words."""
    documents = [re.findall(r"\w+", text.lower()) for text in texts]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for term in re.findall(r"\w+", query.lower()):
            having = sum(term in other for other in documents)
            idf = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
            f = document.count(term)
            score += idf * f / (f + k1 * (1 - b + b * len(document) / mean)) if f else 0.0
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.2, 0.75), (0.0, 0.0), (2.0, 1.0)])
@pytest.mark.parametrize("query", ["cat mice", "the cat the cat", "retrieval OF Information", "nothing here"])
def test_equals_the_formula(k1, b, query):
    bm25 = BM25(TEXTS, k1=k1, b=b, language="none")
    ids, scores = bm25.search([query], k=5)
    expected = formula(TEXTS, query, k1, b)
    order = [i for i in sorted(range(5), key=lambda i: (-expected[i], i)) if expected[i] > 0]
    assert [i for i in ids[0] if i >= 0] == order
    np.testing.assert_allclose(scores[0][: len(order)], [expected[i] for i in order], rtol=1e-6)
    assert (ids[0][len(order) :] == -1).all()
    assert (scores[0][len(order) :] == -np.inf).all()


def with_runs(text, length):
    """The words and their runs of characters, as words."""
    found = []
    for word in re.findall(r"\w+", text.lower()):
        marked = "_" + word.replace("é", "e") + "_"
        found += [word, *("0" + marked[i : i + length] for i in range(max(1, len(marked) - length + 1)))]
    return " ".join(found)


@pytest.mark.parametrize("length", [3, 4])
@pytest.mark.parametrize("query", ["cat mice", "il gatto dorme", "café informazione"])
def test_runs_of_characters_are_counted_beside_words(length, query):
    texts = [*TEXTS, "un cafe, une souris", "Café"]
    expected = formula([with_runs(t, length) for t in texts], with_runs(query, length), 0.6, 0.75)
    bm25 = BM25(texts, k1=0.6, b=0.75, language="none", grams=length)
    (rows,) = bm25.score_rows([query])
    np.testing.assert_allclose(np.where(np.isinf(rows.scores_bm[0]), 0, rows.scores_bm[0]), expected, rtol=1e-5)
    assert bm25.answered(["informazioni", "xyz"]) == 0.5


def test_equals_bm25s_on_real_text():
    bm25s = pytest.importorskip("bm25s")
    if not CISI.exists():
        pytest.skip("no CISI here")
    texts = [json.loads(line)["text"] for line in CISI.read_text().splitlines()]
    queries = texts[::50]
    ours_ids, ours = BM25(texts, k1=1.2, b=0.75, language="none").search(queries, k=10)
    peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    peer.index([words(text) for text in texts], show_progress=False)
    _, theirs = peer.retrieve([words(query) for query in queries], k=10, show_progress=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours_ids[:, 0].tolist() == list(range(0, len(texts), 50))  # each text finds itself


def test_stemming_and_stop_words():
    assert len(STOPWORDS) == 33
    bm25 = BM25(TEXTS)
    assert bm25.language == "english"
    assert bm25.search(["retrieving"], k=1)[0].tolist() == [[2]]
    assert bm25.search(["the of on"], k=1)[0].tolist() == [[-1]]
    assert BM25(["die Häuser", "der Baum"], language="german").search(["Haus"], k=1)[0].tolist() == [[0]]


def test_equal_scores_go_to_the_lower_id():
    assert BM25(["same words"] * 4).search(["words"], k=3)[0].tolist() == [[0, 1, 2]]


def test_many_queries_at_once_as_one_by_one(monkeypatch):
    bm25 = BM25(TEXTS)
    queries = ["cats", "", "mice", "information", "unknown"]
    whole = bm25.search(queries, k=4)
    monkeypatch.setattr("counterpoint.search.bm25.SCORES", 1)
    for together, single in zip(whole, bm25.search(queries, k=4), strict=True):
        np.testing.assert_array_equal(together, single)


def test_only_stop_words_and_no_queries():
    bm25 = BM25(["the", ""])
    assert bm25.search(["the cat"], k=9)[0].tolist() == [[-1, -1]]
    assert bm25.search([], k=1)[0].shape == (0, 1)


def test_save_and_load(tmp_path):
    bm25 = BM25(TEXTS, k1=1.5, b=0.5, grams=4)
    bm25.save(tmp_path / "bm25")
    again = BM25.load(tmp_path / "bm25")
    assert (again.k1, again.b, again.describe(), len(again)) == (1.5, 0.5, "English stems and runs of 4 characters", 5)
    for left, right in zip(bm25.search(["cats mice"], 5), again.search(["cats mice"], 5), strict=True):
        np.testing.assert_array_equal(left, right)
    assert sorted(p.name for p in (tmp_path / "bm25").iterdir()) == ["bm25.json", "bm25.npz"]


@pytest.mark.parametrize("name", ["bm25.json", "bm25.npz"])
def test_a_truncated_file_is_one_sentence(tmp_path, name):
    BM25(TEXTS).save(tmp_path / "bm25")
    file = tmp_path / "bm25" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match="the BM25 index cannot be read"):
        BM25.load(tmp_path / "bm25")


def test_no_pickle_is_loaded(tmp_path):
    BM25(TEXTS).save(tmp_path / "bm25")
    np.savez(tmp_path / "bm25" / "bm25.npz", data=np.array([{}], dtype=object), indices=[0], indptr=[0])
    with pytest.raises(InputError, match="cannot be read"):
        BM25.load(tmp_path / "bm25")


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "no texts"),
        (["a"], {"k1": -1}, "k1 is -1"),
        (["a"], {"b": 1.1}, "b is 1.1"),
        (["a"], {"grams": -1}, "grams is -1"),
        (["some"], {"language": "klingon"}, "no stemmer for the language 'klingon'"),
    ],
)
def test_refuses(texts, options, message):
    with pytest.raises(InputError, match=message):
        BM25(texts, **options)


def test_says_which_extra_is_missing(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "Stemmer":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtra, match=r"PyStemmer is not installed.*counterpoint\[search\]"):
        BM25(TEXTS)


def test_an_index_of_words_of_another_version_is_refused(tmp_path):
    BM25(TEXTS).save(tmp_path / "bm25")
    file = tmp_path / "bm25" / "bm25.json"
    before = json.loads(file.read_text()) | {"stemmer": "english", "stopwords": []}
    file.write_text(json.dumps({key: value for key, value in before.items() if key not in ("language", "why")}))
    with pytest.raises(InputError, match=r"cannot be read.*build it again"):
        BM25.load(tmp_path / "bm25")


def test_share_of_queries_that_it_finds_anything_for():
    bm25 = BM25(TEXTS)
    queries = ["cats", "猫", "of the", "unknown", "mice and birds"]
    found = bm25.search(queries, k=1)[0][:, 0] >= 0
    assert bm25.answered(queries) == found.mean() == 0.4
    assert bm25.answered([]) == 0
