"""The same figures as the evaluators of sentence-transformers, on the same vectors (`make test-peers`)."""

from __future__ import annotations

import random

import numpy as np
import pytest

from counterpoint.data import Example, Retrieval, TextData
from counterpoint.encoders import StaticEncoder
from counterpoint.evaluate import evaluate_bitext, evaluate_pairs, evaluate_retrieval, evaluate_sts

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]
WORDS = [f"w{i}" for i in range(60)]


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")


@pytest.fixture(scope="module")
def pairs():
    """Texts, and others that share some of their words."""
    rng = random.Random(0)
    firsts = [rng.sample(WORDS, 8) for _ in range(200)]
    seconds = [rng.sample(words, 1 + i % 6) + rng.sample(WORDS, 5) for i, words in enumerate(firsts)]
    return [(" ".join(a), " ".join(b)) for a, b in zip(firsts, seconds, strict=True)]


@pytest.fixture(scope="module")
def models(peer, pairs, tmp_path_factory):
    """A model of theirs, and one of ours that is the same."""
    folder = tmp_path_factory.mktemp("models") / "static"
    ours = StaticEncoder.from_corpus([text for pair in pairs for text in pair], dim=24)
    ours.save(folder)
    theirs = peer.SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(theirs.encode([pairs[0][0]]), ours.encode([pairs[0][0]]), atol=1e-6)
    return theirs, ours


def evaluation(name):
    import importlib

    return getattr(importlib.import_module("sentence_transformers.evaluation"), name)


def test_embedding_similarity(models, pairs):
    theirs, ours = models
    scores = [random.Random(i).random() + i % 6 for i in range(len(pairs))]
    first, second = map(list, zip(*pairs, strict=True))
    names = ["cosine", "dot", "euclidean", "manhattan"]
    peer = evaluation("EmbeddingSimilarityEvaluator")(first, second, scores, similarity_fn_names=names)(theirs)
    data = TextData("scored", [Example(a, (b,), score=s) for (a, b), s in zip(pairs, scores, strict=True)], "memory")
    own = evaluate_sts(ours, data, metrics=names, samples=0)
    for metric in names:
        for kind in ("spearman", "pearson"):
            name = kind if metric == "cosine" else f"{kind}_{metric}"
            assert own[name].value == pytest.approx(peer[f"{kind}_{metric}"], abs=1e-4)


def test_binary_classification(models, pairs):
    theirs, ours = models
    labels = [int(random.Random(i).random() < i % 6 / 5) for i in range(len(pairs))]
    first, second = map(list, zip(*pairs, strict=True))
    peer = evaluation("BinaryClassificationEvaluator")(first, second, labels, similarity_fn_names=["cosine"])(theirs)
    rows = [Example(a, (b,), score=float(s)) for (a, b), s in zip(pairs, labels, strict=True)]
    own = evaluate_pairs(ours, TextData("scored", rows, "memory"), samples=0)
    for name, key in (("average precision", "ap"), ("accuracy", "accuracy"), ("f1", "f1")):
        assert own[name].value == pytest.approx(peer[f"cosine_{key}"], abs=1e-4)
        assert 0.5 < own[name].value < 1
    said = ", ".join(f"{name} at {peer[f'cosine_{name}_threshold']:.3f}" for name in ("accuracy", "f1"))
    found = own.notes[0].partition(": ")[2]
    assert [part[: part.index(".") + 4] for part in found.split(", ")] == said.split(", ")


def test_translation(models, pairs):
    theirs, ours = models
    first, second = map(list, zip(*pairs, strict=True))
    peer = evaluation("TranslationEvaluator")(first, second)(theirs)
    own = evaluate_bitext(ours, TextData("pairs", [Example(a, (b,)) for a, b in pairs], "memory"), samples=0)
    for name, key in (("accuracy", "src2trg"), ("accuracy back", "trg2src"), ("mean accuracy", "mean")):
        assert own[name].value == pytest.approx(peer[f"{key}_accuracy"], abs=1e-4)
        assert 0.1 < own[name].value < 1


def test_information_retrieval(models, pairs):
    theirs, ours = models
    queries = {f"q{i}": a for i, (a, _) in enumerate(pairs)}
    corpus = {f"d{i}": b for i, (_, b) in enumerate(pairs)}
    relevant = {f"q{i}": {f"d{i}", f"d{(i + 7) % len(pairs)}"} for i in range(len(pairs))}
    peer = evaluation("InformationRetrievalEvaluator")(queries, corpus, relevant)(theirs)
    qrels = {query: dict.fromkeys(documents, 1.0) for query, documents in relevant.items()}
    metrics = {"mrr@10": "mrr@10", "ndcg@10": "ndcg@10", "map@100": "map@100", "recall@5": "recall@5"}
    metrics |= {"precision@5": "precision@5", "hit@3": "accuracy@3"}
    own = evaluate_retrieval(ours, Retrieval(corpus, queries, qrels, "memory"), metrics=list(metrics), samples=0)
    for name, key in metrics.items():
        assert own[name].value == pytest.approx(peer[f"cosine_{key}"], abs=1e-4), name
