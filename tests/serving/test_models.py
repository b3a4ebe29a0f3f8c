"""Embeddings and reranking over a socket: what the encoder gives, in the forms that clients of others read."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from counterpoint.cli import serving
from counterpoint.data import debian
from counterpoint.encoders import ImageEncoder, KernelCrossEncoder, StaticEncoder, Towers
from counterpoint.encoders.scratch import small_transformer
from counterpoint.search import exact_search
from counterpoint.serving.service import Service
from serving.sites import site

TEXTS = list(debian().heldout.corpus.values())[:48]


def vectors(answer):
    assert answer.status == 200, answer.body
    data = answer.json["data"]
    assert [one["index"] for one in data] == list(range(len(data)))
    return np.array([one["embedding"] for one in data], dtype=np.float32)


def test_the_model_is_named(reading):
    (entry,) = reading.get("/v1/models").json["data"]
    assert (entry["id"], entry["object"], entry["owned_by"]) == ("packages", "model", "counterpoint")
    about = reading.get("/about").json
    assert (about["dimensions"], about["documents"], about["writable"], about["pictures"]) == (64, 403, False, True)
    assert about["columns"] == {"length": ["number"], "letter": ["text"], "short": ["bool"], "note": ["text"]}


@pytest.mark.parametrize("kind", [None, "query", "document"])
def test_embeddings_are_the_encoders(reading, encoder, kind):
    asked = {"input": TEXTS[:5], "model": "packages", "user": "somebody", "unknown": 1}
    answer = reading.post("/v1/embeddings", asked | ({"input_type": kind} if kind else {}))
    np.testing.assert_allclose(vectors(answer), encoder.encode(TEXTS[:5], kind=kind), atol=1e-6)
    tokens = sum(len(encoder.tokenize([text], kind)["input_ids"]) for text in TEXTS[:5])
    assert answer.json["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens, "truncated_texts": 0}
    assert (answer.json["object"], answer.json["model"]) == ("list", "packages")


def test_one_text_in_base64_with_fewer_dimensions(reading, encoder):
    asked = {"input": TEXTS[0], "encoding_format": "base64", "dimensions": 8}
    (one,) = reading.post("/v1/embeddings", asked).json["data"]
    expected = encoder.encode([TEXTS[0]], truncate_dim=8)[0]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(one["embedding"]), "<f4"), expected, atol=1e-6)
    assert np.linalg.norm(expected) == pytest.approx(1, abs=1e-5)


def test_overlapping_requests_give_the_vectors_that_each_gives_alone():
    """A transformer, whose batches are of many lengths; and the texts that it reads in part are counted."""
    encoder = small_transformer(TEXTS, layers=2, width=32, heads=2, max_seq_length=32)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    cut = [len(encoder.tokenize([text])["input_ids"]) == 32 for text in TEXTS]
    assert 0 < sum(cut) < len(cut)
    with site(Service(encoder, "small")) as running, ThreadPoolExecutor(16) as pool:
        parts = [TEXTS[i : i + 1 + i % 3] for i in range(len(TEXTS))]
        answers = list(pool.map(lambda part: running.post("/v1/embeddings", {"input": part}), parts))
        batches = running.service.metrics.text().decode()
    for i, (part, answer) in enumerate(zip(parts, answers, strict=True)):
        np.testing.assert_allclose(vectors(answer), alone[i : i + len(part)], atol=1e-5)
        assert answer.json["usage"]["truncated_texts"] == sum(cut[i : i + len(part)])
    count = float(batches.split("counterpoint_batch_texts_count ")[1].split()[0])
    assert count < len(parts)  # else nothing was encoded together


def test_ranked_by_the_models_own_vectors(reading, encoder):
    query, texts = "a game of chess", TEXTS[:20]
    asked = {"query": query, "documents": [*texts[:10], *({"text": text} for text in texts[10:])], "top_n": 4}
    answer = reading.post("/v1/rerank", asked | {"return_documents": True, "model": "packages"}).json
    z = encoder.encode(texts, kind="document")
    (places,), (scores,) = exact_search(encoder.encode([query], kind="query"), z, 4)
    assert [one["index"] for one in answer["results"]] == places.tolist()
    assert [one["relevance_score"] for one in answer["results"]] == pytest.approx(scores.tolist(), abs=1e-5)
    assert [one["document"]["text"] for one in answer["results"]] == [texts[i] for i in places]
    assert "document" not in reading.post("/v1/rerank", asked).json["results"][0]


class Lengths:
    """Finds the document most relevant that is nearest to the query's length."""

    def score(self, queries, documents):
        return np.array([-abs(len(q) - len(d)) for q, d in zip(queries, documents, strict=True)], np.float32)


def test_ranked_by_a_reranker(encoder):
    with site(Service(encoder, "small", reranker=Lengths())) as running:
        assert running.get("/about").json["reranker"] is True
        found = running.post("/v1/rerank", {"query": "four", "documents": ["a", "abcd", "abcdef", "dcba"]}).json
    assert [(one["index"], one["relevance_score"]) for one in found["results"]] == [(1, 0), (3, 0), (2, -2), (0, -3)]


def test_ranked_by_a_cross_encoder_from_its_folder(encoder, tmp_path):
    judge = KernelCrossEncoder(StaticEncoder.from_corpus(TEXTS, dim=8, prompts={}))
    judge.save(tmp_path / "judge")
    with site(Service(encoder, "small", reranker=serving._reranker(str(tmp_path / "judge")))) as running:
        found = running.post("/v1/rerank", {"query": "a game", "documents": TEXTS[:9]}).json["results"]
    scores = judge.score(["a game"] * 9, TEXTS[:9])
    assert [one["index"] for one in found] == np.argsort(-scores, kind="stable").tolist()
    assert [one["relevance_score"] for one in found] == pytest.approx(sorted(scores.tolist(), reverse=True), abs=1e-5)


def test_a_model_of_texts_and_pictures_takes_texts_on_either_side():
    texts = StaticEncoder.from_corpus(TEXTS, dim=16, prompts={})
    both, pictures = Towers(ImageEncoder(3, widths=(8, 16)), texts), ImageEncoder(widths=(8,))
    with site(Service(both, "both")) as running:
        found = vectors(running.post("/v1/embeddings", {"input": TEXTS[:40], "input_type": "query"}))
        np.testing.assert_allclose(found, texts.encode(TEXTS[:40], dtype="float32"), atol=1e-6)
    with site(Service(pictures, "pictures")) as running:
        answer = running.post("/v1/embeddings", {"input": "a"})
        assert (answer.status, answer.why) == (
            400,
            "the model takes no texts; ask for the neighbours of a document instead",
        )


def test_a_model_that_has_diverged_is_told(encoder, caplog):
    broken = encoder.with_table(encoder.folded() * float("nan"))
    with site(Service(broken, "broken")) as running:
        answer = running.post("/v1/embeddings", {"input": "a game"})
    assert (answer.status, answer.why) == (500, "the server cannot do this now: gave a vector that is not finite")
