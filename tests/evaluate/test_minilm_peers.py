"""A model that many use, on real data: as evaluators of sentence-transformers and mteb have it (`make test-peers`)."""

from __future__ import annotations

import gzip
import importlib
from dataclasses import replace

import pytest

from counterpoint.data import Example, TextData, read
from counterpoint.encoders import load
from counterpoint.evaluate import (
    MtebModel,
    evaluate_bitext,
    evaluate_pairs,
    evaluate_retrieval,
    evaluate_sts,
)
from counterpoint.fitting.bases import minilm_folder
from counterpoint.testbeds.files import find

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]
HUNDREDTH = 1e-4
"""0.01 of a percent."""


@pytest.fixture(scope="module")
def models():
    """Theirs and ours, of the same weights."""
    peer = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    folder = minilm_folder()
    if folder is None:
        pytest.skip("all-MiniLM-L6-v2 is not installed")
    return peer.SentenceTransformer(str(folder), device="cpu"), load(folder)


def evaluator(name):
    return getattr(importlib.import_module("sentence_transformers.evaluation"), name)


def scored(name):
    rows = [line.split("\t") for line in find(f"stsb/{name}.tsv").read_text().splitlines()[1:]]
    return TextData("scored", [Example(a, (b,), score=float(score)) for score, a, b in rows], name)


def translations(language):
    rows = (
        line.split("\t") for line in gzip.decompress(find("tatoeba/tatoeba.tsv.gz").read_bytes()).decode().splitlines()
    )
    pairs = {english: sentence for lang, sentence, english in rows if lang == language}
    return [(sentence, english) for english, sentence in pairs.items()][:1000]


def scifact():
    """All claims of the test, among a thousand abstracts."""
    whole = read(find("scifact"), split="test")
    judged = {document for gains in whole.qrels.values() for document in gains}
    kept = [*judged, *(document for document in whole.corpus if document not in judged)][:1000]
    return replace(whole, corpus={document: whole.corpus[document] for document in sorted(kept)})


def labelled(name):
    rows = [line.split("\t") for line in find(f"classify/{name}.tsv").read_text().splitlines()[1:]]
    return {"text": [row[-1] for row in rows], "label": [row[0] for row in rows]}


def tasks_of(mteb):
    """The tasks of MTEB over the same data, in memory."""
    from datasets import Dataset, DatasetDict
    from mteb.mocks import mock_tasks

    def made(name, **options):
        def task(**parts):
            def load_data(self, num_proc=None, **kwargs):
                self.dataset, self.data_loaded = DatasetDict(parts), True

            return type(name, (getattr(mock_tasks, name),), {"load_data": load_data, **options})()

        return task

    pairs, data, found = scored("en-test").examples, translations("deu"), scifact()
    retrieval = mock_tasks.MockRetrievalTask()
    split = {
        "corpus": Dataset.from_list([{"id": i, "title": "", "text": text} for i, text in found.corpus.items()]),
        "queries": Dataset.from_list([{"id": i, "text": text} for i, text in found.queries.items()]),
        "relevant_docs": {q: {d: int(gain) for d, gain in docs.items()} for q, docs in found.qrels.items()},
        "top_ranked": None,
    }
    # its other split, which nobody asks for
    some = {query: split["relevant_docs"][query] for query in list(split["relevant_docs"])[:1]}
    documents = {document for gains in some.values() for document in gains}
    tiny = {
        "corpus": split["corpus"].filter(lambda row: row["id"] in documents),
        "queries": split["queries"].filter(lambda row: row["id"] in some),
        "relevant_docs": some,
        "top_ranked": None,
    }
    retrieval.load_data = lambda num_proc=None, **kwargs: None
    retrieval.dataset, retrieval.data_loaded = {"default": {"test": split, "val": tiny}}, True
    return [
        made("MockSTSTask", max_score=5)(
            test=Dataset.from_dict(
                {
                    "sentence1": [e.anchor for e in pairs],
                    "sentence2": [e.positives[0] for e in pairs],
                    "score": [e.score for e in pairs],
                }
            )
        ),
        made("MockBitextMiningTask")(
            test=Dataset.from_dict({"sentence1": [a for a, _ in data], "sentence2": [b for _, b in data]})
        ),
        retrieval,
        made("MockClassificationTask")(
            train=Dataset.from_dict(labelled("trec-train")), test=Dataset.from_dict(labelled("trec-test"))
        ),
    ]


@pytest.mark.parametrize("name", ["en-test", "en-dev", "pt-test"])
def test_similarity(models, name):
    theirs, ours = models
    data = scored(name)
    first, second = [e.anchor for e in data.examples], [e.positives[0] for e in data.examples]
    kinds = ["cosine", "dot", "euclidean", "manhattan"]
    run = evaluator("EmbeddingSimilarityEvaluator")(
        first, second, [e.score for e in data.examples], similarity_fn_names=kinds
    )
    peer = run(theirs)
    own = evaluate_sts(ours, data, metrics=kinds, samples=0)
    print(f"STS-B {name}: {100 * own['spearman'].value:.2f}, theirs {100 * peer['spearman_cosine']:.2f}")
    for kind in kinds:
        for what in ("spearman", "pearson"):
            assert own[what if kind == "cosine" else f"{what}_{kind}"].value == pytest.approx(
                peer[f"{what}_{kind}"], abs=HUNDREDTH
            )
    if name == "en-test":  # the model's card under MTEB says 82.03; words are separated by blanks here
        assert 100 * own["spearman"].value == pytest.approx(82.03, abs=0.05)


def test_entailed_or_not(models):
    theirs, ours = models
    rows = [line.split("\t") for line in find("snli/test.tsv").read_text().splitlines()[1:2001]]
    labels = [int(label == "entailment") for _, _, label in rows]
    run = evaluator("BinaryClassificationEvaluator")(
        [a for a, _, _ in rows], [b for _, b, _ in rows], labels, similarity_fn_names=["cosine"]
    )
    peer = run(theirs)
    data = TextData("scored", [Example(a, (b,), score=float(y)) for (a, b, _), y in zip(rows, labels, strict=True)], "")
    own = evaluate_pairs(ours, data, samples=0)
    print(f"SNLI, average precision: {100 * own['average precision'].value:.2f}, theirs {100 * peer['cosine_ap']:.2f}")
    for name, key in (("average precision", "ap"), ("accuracy", "accuracy"), ("f1", "f1")):
        assert own[name].value == pytest.approx(peer[f"cosine_{key}"], abs=HUNDREDTH)


@pytest.mark.parametrize("language", ["deu", "fra"])
def test_translations(models, language):
    theirs, ours = models
    pairs = translations(language)
    peer = evaluator("TranslationEvaluator")([a for a, _ in pairs], [b for _, b in pairs])(theirs)
    own = evaluate_bitext(ours, TextData("pairs", [Example(a, (b,)) for a, b in pairs], language), samples=0)
    print(f"{language}: {100 * own['mean accuracy'].value:.2f}, theirs {100 * peer['mean_accuracy']:.2f}")
    for name, key in (("accuracy", "src2trg"), ("accuracy back", "trg2src"), ("mean accuracy", "mean")):
        assert own[name].value == pytest.approx(peer[f"{key}_accuracy"], abs=HUNDREDTH)


def test_retrieval(models):
    theirs, ours = models
    data = scifact()
    run = evaluator("InformationRetrievalEvaluator")(
        data.queries, data.corpus, {q: set(d) for q, d in data.qrels.items()}, precision_recall_at_k=[1, 5, 10]
    )
    peer = run(theirs)
    metrics = {"mrr@10": "mrr@10", "ndcg@10": "ndcg@10", "map@100": "map@100", "recall@5": "recall@5"}
    metrics |= {"precision@5": "precision@5", "hit@10": "accuracy@10"}
    own = evaluate_retrieval(ours, data, metrics=list(metrics), samples=0)
    print(f"SciFact, nDCG@10: {100 * own['ndcg@10'].value:.2f}, theirs {100 * peer['cosine_ndcg@10']:.2f}")
    for name, key in metrics.items():
        assert own[name].value == pytest.approx(peer[f"cosine_{key}"], abs=HUNDREDTH), name


def test_under_mteb(models):
    """Similarity, translations, retrieval and classification by MTEB's own tasks, of our model and of theirs."""
    mteb = pytest.importorskip("mteb", reason="mteb is not installed")
    theirs, ours = models
    figures = []
    for model in (MtebModel(ours, "sentence-transformers/all-MiniLM-L6-v2"), theirs):
        given = mteb.evaluate(model, tasks_of(mteb), cache=None, show_progress_bar=False, co2_tracker=False)
        figures.append({r.task_name: r.scores["test"][0]["main_score"] for r in given.task_results})
    for name in figures[1]:
        print(f"MTEB, {name}: {100 * figures[0][name]:.2f}, theirs {100 * figures[1][name]:.2f}")
    assert len(figures[1]) == 4
    assert figures[0] == pytest.approx(figures[1], abs=HUNDREDTH)
    own = evaluate_sts(ours, scored("en-test"), samples=0)["spearman"].value
    assert figures[0]["MockSTSTask"] == pytest.approx(own, abs=HUNDREDTH)
    own = evaluate_retrieval(ours, scifact(), metrics=["ndcg@10"], samples=0)["ndcg@10"].value
    assert figures[0]["MockRetrievalTask"] == pytest.approx(own, abs=HUNDREDTH)
    data = TextData("pairs", [Example(a, (b,)) for a, b in translations("deu")], "deu")
    assert figures[0]["MockBitextMiningTask"] == pytest.approx(
        evaluate_bitext(ours, data, samples=0)["accuracy"].value, abs=HUNDREDTH
    )
