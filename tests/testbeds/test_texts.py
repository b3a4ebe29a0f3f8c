"""Testbeds of texts: what is held out is held out, the same seed gives the same parts, figures have known answers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.data import Example, Retrieval
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.tasks import Collection
from counterpoint.testbeds import corpora, lexical, texts
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.figures import found, spearman
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
outside = pytest.mark.skipif(not (REAL / "stsb").exists(), reason="no data at hand")


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))


def said(data, side="anchors"):
    if side == "anchors":
        return [data.anchors.texts[i] for i in data.anchor.tolist()]
    return [data.others.texts[row[0]] for row in getattr(data, side).tolist()]


def test_titles_are_held_out_with_their_descriptions():
    train, test = corpora.titles(0)
    assert (len(train), train.schema, len(test.queries), len(test.corpus)) == (37414, "pairs", 1500, 38914)
    assert not set(test.queries.texts) & set(train.anchors.texts)
    right = {test.corpus.texts[d] for gains in test.answers.relevant.values() for d in gains}
    assert len(right) == 1500
    assert not right & set(train.others.texts)


def test_noise_goes_round_and_says_which_are_right():
    clean = corpora.some_titles(0)[0]
    noisy, test = corpora.some_noisy_titles(3)
    assert test is corpora.some_titles(0)[1]
    kept = noisy.positives[:, 0] == clean.positives[:, 0]
    assert torch.equal(kept, noisy.columns["right"] > 0)
    assert int(kept.sum()) == len(clean) // 2
    assert sorted(noisy.positives[:, 0].tolist()) == sorted(clean.positives[:, 0].tolist())
    assert torch.equal(corpora.some_noisy_titles(3)[0].positives, noisy.positives)
    assert not torch.equal(corpora.some_noisy_titles(4)[0].positives, noisy.positives)


def test_pairs_of_the_included_corpus_are_alike_by_package_and_section():
    train, test = corpora.likeness(0)
    pairs, same_test = corpora.like_pairs(0)
    titles = {e.anchor: e.positives[0] for e in corpora._corpus().train.examples}
    assert [titles[pairs.anchors.texts[i]] for i in pairs.anchor.tolist()] == list(train.anchors.texts)
    assert same_test.columns["score"].equal(test.columns["score"])
    assert train.schema == "items"
    assert test.schema == "scored"
    assert set(test.columns["score"].tolist()) == {0.0, 1.0, 2.0}
    from counterpoint.data import debian

    corpus = debian()
    section = dict(zip(corpus.packages, corpus.sections, strict=True))
    package = {text: name for name, text in corpus.heldout.corpus.items()}
    titled = {title: next(iter(corpus.heldout.qrels[q])) for q, title in corpus.heldout.queries.items()}
    for title, text, score in zip(said(test), said(test, "positives"), test.columns["score"].tolist(), strict=True):
        own, other = titled[title], package[text]
        assert score == (2.0 if own == other else float(section[own] == section[other]))
    assert not set(train.anchors.texts) & set(test.others.texts)


@outside
def test_claims_have_their_judged_abstracts(data):
    train, test = corpora.scifact(0)
    assert (len(train.anchors), len(test.queries), len(test.corpus)) == (807, 300, 5183)
    assert not set(train.anchors.texts) & set(test.queries.texts)
    seen, same_test = corpora.seen_scifact(0)
    assert same_test is test
    assert set(seen.anchors.texts) == set(train.anchors.texts) | set(test.queries.texts)
    weak, _ = corpora.abstracts(0)
    assert not set(weak.anchors.texts) & (set(train.anchors.texts) | set(test.queries.texts))


@outside
def test_sentences_have_no_judgement_and_none_of_the_test(data):
    (train, test), (again, _), (other, _) = (corpora.sentences(seed) for seed in (0, 0, 1))
    assert (train.schema, test.schema, len(test)) == ("items", "scored", 1379)
    assert train.anchors.texts == again.anchors.texts != other.anchors.texts
    assert len(train) > 27_000
    judged, same_test = corpora.scored_sentences(0)
    assert same_test is test
    assert (judged.schema, len(judged)) == ("scored", 5749)


@outside
def test_inferences_have_an_entailment_and_a_contradiction_of_the_same_premise(data):
    train, _ = corpora.inferences(0)
    rows = list(zip(said(train), said(train, "positives"), said(train, "negatives"), strict=True))
    assert len(rows) > 5000
    assert (train.positives >= 0).all()
    assert (train.negatives >= 0).all()
    labels = {}
    for part in ("dev", "test"):
        for line in (REAL / "snli" / f"{part}.tsv").read_text("utf-8").splitlines()[1:]:
            premise, hypothesis, label = line.split("\t")
            labels.setdefault((premise.strip(), hypothesis.strip()), set()).add(label)
    for premise, entailed, contradicting in rows:
        assert "entailment" in labels[premise, entailed]
        assert "contradiction" in labels[premise, contradicting]


def test_data_that_are_not_there_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    corpora._similar.cache_clear()
    with pytest.raises(InputError, match="is not there"):
        corpora.scored_sentences(0)


def test_tables_of_a_seed_differ_in_direction_only():
    data = rows_of([Example("a red fox", ("the fox is red",)), Example("an ant", ("ants are small",))], "here")
    first, again, other = (texts.table(data, seed) for seed in (0, 0, 1))
    weights = [e.embedding.weight.detach() for e in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2])
    torch.testing.assert_close(weights[0].norm(dim=1), weights[2].norm(dim=1))
    # a part of the rows is over the same texts, and has the same tokens
    assert texts.table(data[torch.tensor([0])], 0).tokenizer is first.tokenizer


class Named:
    """Vectors by text."""

    def __init__(self, **vectors):
        self.vectors = vectors

    def encode_items(self, items, *, kind=None):
        return np.array([self.vectors[text] for text in items.texts], np.float32)


def made(encoder, test, train=None):
    return Made("here", encoder, (train or test, test), 0)


def collection():
    corpus = {"1": "one", "2": "two"}
    return Collection.of(Retrieval(corpus, {"q": "a", "r": "b"}, {"q": {"1": 1.0}, "r": {"2": 1.0}}, "memory"))


def test_figures_of_answers_by_hand():
    vectors = {"a": [1, 0], "b": [0, 1], "one": [1, 0], "two": [0.6, 0.8]}
    one = made(Named(**vectors), collection())
    # a to two 0.6, b to one 0
    assert texts.nearest_wrong.of(one) == texts.nearest_other.of(one) == pytest.approx(0.3)
    # both have the answer "one": it is no other's
    shared = Retrieval(
        {"1": "one", "2": "two"}, {q: q for q in "abe"}, {q: {"1": 1.0} for q in "ab"} | {"e": {"2": 1.0}}, ""
    )
    two = made(Named(**vectors, e=[0, -1]), Collection.of(shared))
    # a to two 0.6, b to two 0.8, e to one 0
    assert texts.nearest_other.of(two) == pytest.approx(1.4 / 3)
    vectors |= {"c": [0.6, 0.8], "three": [-1, 0]}
    rows = rows_of([Example("a", ("one",)), Example("b", ("two",)), Example("c", ("three",))])
    q = np.array([vectors[t] for t in "abc"])
    d = np.array([vectors[t] for t in ("one", "two", "three")])
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    margins = [q[i] @ d[i] - q[i] @ d[j] for i, j in pairs]
    wanted = np.corrcoef(margins, [d[i] @ d[j] for i, j in pairs])[0, 1]
    assert texts.margins_follow.of(made(Named(**vectors), rows)) == pytest.approx(wanted, abs=1e-5)


def test_alignment_is_of_what_people_find_alike():
    rows = [Example("a", ("one",), score=5.0), Example("b", ("two",), score=4.0), Example("a", ("two",), score=1.0)]
    vectors = {"a": [1, 0], "b": [0, 1], "one": [2, 0], "two": [0.6, 0.8]}
    # 0 and 0.36 + 0.04
    assert texts.alignment_of_like.of(made(Named(**vectors), rows_of(rows))) == pytest.approx(0.2)


def test_what_has_no_vectors_is_ranked_by_its_scores():
    ranked = made(lexical.Lexical(), Collection.of(Retrieval(
        {"1": "red cats", "2": "a dog"}, {"q": "cat"}, {"q": {"1": 1.0}}, "memory"
    )))  # fmt: skip
    assert found("mrr@10").of(ranked) == 1.0
    pairs = rows_of([Example("cat", ("red cat",)), Example("dog", ("blue dog",)), Example("owl", ("cat owl dog",))])
    assert found("mrr@10").of(made(lexical.TfIdf(pairs.others.texts), pairs)) == 1.0
    with pytest.raises(InputError, match="no vectors"):
        lexical.Lexical().encode_items(Items("text", ["a"]))


def test_tf_idf_ranks_as_its_vectors_do():
    words = ["red cat", "blue dog", "cat and dog", "an owl"]
    floor = lexical.TfIdf(words)
    items = Items("text", words)
    z = floor.encode_items(items)
    (rows,) = floor.score_rows(items, items)
    assert rows.scores_bm == pytest.approx(z @ z.T, abs=1e-6)
    scored = rows_of([Example("red cat", ("cat and dog",), score=2.0), Example("an owl", ("blue dog",), score=0.0),
                      Example("blue dog", ("blue dog",), score=5.0)])  # fmt: skip
    assert spearman.of(made(floor, scored)) == pytest.approx(1.0)


def test_floors_know_the_training_texts_alone():
    train = Data.alone(Items("text", ["red cat", "red dog"]))
    z = lexical.tf_idf((train, train)).encode_items(Items("text", ["red cat owl"]))
    assert z.shape == (1, 3)


def test_a_masked_language_model_is_trained_once_and_copied():
    data = Data.alone(Items("text", ["a"]))
    first, second = (texts.quick_bert(data, seed) for seed in (0, 1))
    assert first is not second
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_pairs_are_labelled_by_how_alike_they_are_and_no_title_is_in_both_parts():
    train, test = corpora.related(0)
    scored = corpora.likeness(0)[1]
    rows = zip(said(scored), said(scored, "positives"), scored.columns["score"].tolist(), strict=True)
    known = {(title, text): score for title, text, score in rows}
    pairs = list(zip(said(train), said(train, "positives"), strict=True))
    assert train.columns["label"].tolist() == [known[pair] for pair in pairs]
    assert (train.schema, test.schema, len(train) + len(test)) == ("pairs", "scored", len(scored))
    assert not set(said(train)) & set(said(test))
    assert set(train.columns["label"].tolist()) == {0, 1, 2}


@outside
def test_verdicts_are_all_pairs_with_their_class(data):
    train, test = corpora.verdicts(0)
    assert len(train) == 19_666
    assert train.classes == ("contradiction", "entailment", "neutral")
    rows = list(zip(said(train), said(train, "positives"), train.columns["label"].tolist(), strict=True))
    first = "Two women are embracing while holding to go packages ."
    assert (first, "Two woman are holding packages .", 1) in rows
    assert (first, "The men are fighting outside a deli .", 0) in rows
    assert test is corpora.inferences(0)[1]


def test_descriptions_have_the_longest_word_of_their_title():
    (train, test), (pairs, same_test) = corpora.title_words(0), corpora.like_pairs(0)
    title = dict(zip(said(pairs, "positives"), said(pairs), strict=True))
    assert said(train) == said(pairs, "positives")
    for text, word in zip(said(train)[:200], said(train, "positives"), strict=False):
        parts = "".join(c if c.isalnum() or c == "_" else " " for c in title[text]).split()
        assert word in parts
        assert len(word) == max(map(len, parts))
    assert torch.equal(test.columns["score"], same_test.columns["score"])


@outside
def test_definitions_have_their_word(data):
    train, test = corpora.definitions(0)
    assert len(train) == 40_943
    pairs = set(zip(said(train), said(train, "positives"), strict=True))
    assert ("solid excretory product evacuated from the bowels", "stool") in pairs
    assert test is corpora.inferences(0)[1]
