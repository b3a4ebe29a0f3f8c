"""Our models under MTEB: with `mteb` itself on tasks in memory, where it is installed."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from counterpoint.data import Example, Retrieval, TextData
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import MtebModel, evaluate_bitext, evaluate_retrieval, evaluate_sts, mteb_content
from counterpoint.report import report_html

WORDS = [f"w{i}" for i in range(40)]


@pytest.fixture(scope="module")
def pairs():
    rng = random.Random(0)
    firsts = [rng.sample(WORDS, 6) for _ in range(60)]
    return [(" ".join(a), " ".join(rng.sample(a, 1 + i % 5) + rng.sample(WORDS, 4))) for i, a in enumerate(firsts)]


@pytest.fixture(scope="module")
def encoder(pairs):
    prompts = {"query": "w1 w2 ", "document": "w3 "}
    return StaticEncoder.from_corpus([text for pair in pairs for text in pair], dim=16, prompts=prompts)


def test_kinds_and_similarities(encoder, pairs):
    model = MtebModel(encoder, "us/static")
    first, second = zip(*pairs, strict=True)
    batches = [{"text": list(first[:50])}, {"text": list(first[50:])}]
    for kind in (None, "query", "document"):
        said = kind and SimpleNamespace(value=kind)
        np.testing.assert_array_equal(model.encode(batches, prompt_type=said), encoder.encode(first, kind=kind))
    z, other = encoder.encode(first), encoder.encode(second[:7])
    unit, others = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (z, other))
    np.testing.assert_allclose(model.similarity(z, other), unit @ others.T, atol=1e-5)
    np.testing.assert_allclose(model.similarity(z[0], other), unit[:1] @ others.T, atol=1e-5)
    np.testing.assert_allclose(model.similarity_pairwise(z[:7], other), (unit[:7] * others).sum(1), atol=1e-5)


def test_refusals(encoder):
    with pytest.raises(InputError, match="'small' is not OWNER/MODEL"):
        MtebModel(encoder, "small")
    with pytest.raises(InputError, match="a batch of image, and the model takes texts"):
        MtebModel(encoder, "us/static").encode([{"image": []}])
    with pytest.raises(InputError, match="MTEB does not know the similarity 'modulus'"):
        MtebModel(SimpleNamespace(similarity="modulus"), "us/static")
    one, two = ([SimpleNamespace(task_name=name, get_score=lambda: 0.5)] for name in "ab")
    with pytest.raises(InputError, match="'theirs' was not measured on the same tasks"):
        mteb_content({"ours": one, "theirs": two})
    with pytest.raises(InputError, match="no results"):
        mteb_content({})


@pytest.fixture(scope="module")
def measured(encoder, pairs, tmp_path_factory):
    """The model under MTEB: the scores of three tasks, and what MTEB gave."""
    mteb = pytest.importorskip("mteb", reason="mteb is not installed")
    datasets = pytest.importorskip("datasets")
    from mteb.mocks.mock_tasks.bitext_mining import MockBitextMiningTask
    from mteb.mocks.mock_tasks.retrieval import MockRetrievalTask
    from mteb.mocks.mock_tasks.sts import MockSTSTask

    first, second = map(list, zip(*pairs, strict=True))
    scores = [float(i % 5) + i / 100 for i in range(len(pairs))]

    def in_memory(**columns):
        def load_data(self, num_proc=None, **kwargs):
            self.dataset = datasets.DatasetDict({"test": datasets.Dataset.from_dict(columns)})
            self.data_loaded = True

        return load_data

    tasks = [
        type(
            "InMemorySTS",
            (MockSTSTask,),
            {"load_data": in_memory(sentence1=first, sentence2=second, score=scores), "max_score": 5},
        )(),
        type("InMemoryBitext", (MockBitextMiningTask,), {"load_data": in_memory(sentence1=first, sentence2=second)})(),
        MockRetrievalTask(),
    ]
    model = MtebModel(encoder, "us/static")
    given = mteb.evaluate(model, tasks, cache=None, show_progress_bar=False, co2_tracker=False)
    return scores, given, tasks[-1]


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_the_same_figures_under_mteb(measured, encoder, pairs):
    scores, given, _ = measured
    correlated, mined, _ = (result.scores["test"][0] for result in given.task_results)
    data = TextData("scored", [Example(a, (b,), score=s) for (a, b), s in zip(pairs, scores, strict=True)], "memory")
    own = evaluate_sts(encoder, data, metrics=["cosine", "euclidean"], samples=0)
    assert correlated["cosine_spearman"] == pytest.approx(own["spearman"].value, abs=1e-4)
    assert correlated["cosine_pearson"] == pytest.approx(own["pearson"].value, abs=1e-4)
    assert correlated["euclidean_spearman"] == pytest.approx(own["spearman_euclidean"].value, abs=1e-4)
    translated = evaluate_bitext(encoder, TextData("pairs", [Example(a, (b,)) for a, b in pairs], "memory"), samples=0)
    assert mined["accuracy"] == pytest.approx(translated["accuracy"].value, abs=1e-4)
    assert mined["f1"] == pytest.approx(translated["f1"].value, abs=1e-4)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_retrieval_has_its_prompts(measured, encoder):
    _, given, task = measured
    task.load_data()
    split = task.dataset["default"]["test"]
    corpus = {row["id"]: " ".join(filter(None, (row.get("title"), row["text"]))) for row in split["corpus"]}
    queries = {row["id"]: row["text"] for row in split["queries"]}
    qrels = {
        query: {document: float(gain) for document, gain in gains.items()}
        for query, gains in split["relevant_docs"].items()
    }
    own = evaluate_retrieval(encoder, Retrieval(corpus, queries, qrels, "memory"), metrics=["ndcg@10"], samples=0)
    assert given.task_results[-1].scores["test"][0]["ndcg_at_10"] == pytest.approx(own["ndcg@10"].value, abs=1e-4)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_results_in_our_report(measured):
    _, given, _ = measured
    content = mteb_content({"ours": given, "again": given.task_results})
    assert [system.name for system in content.systems] == ["ours", "again"]
    figures = content.systems[0].figures
    assert figures["InMemorySTS" if "InMemorySTS" in figures else "MockSTSTask"].value == pytest.approx(
        given.task_results[0].get_score()
    )
    assert content.metric == "mean of 3 tasks"
    page = report_html(content)
    assert all(name in page for name in figures)
