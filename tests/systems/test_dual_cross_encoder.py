"""Dual-Cross-Encoder: the query before its documents in training, ten written ones where they are searched."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.encoders import QueriedEncoder
from counterpoint.search import maxsim
from counterpoint.systems import get
from counterpoint.systems.retrieval import dual_cross_encoder as module
from counterpoint.tasks import Find, pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds import queried as testbed
from counterpoint.testbeds.queried import FEW_QUERIED, Alone, few_queried, queried, seen_queried, told_behind
from counterpoint.views.bags import words_of
from systems.through import same
from systems.words import KINDS, PAIRS, small_bert, step_of_texts

steady = partial(small_bert, dropout=0.0, pooling="cls")
DATA = rows_of(PAIRS)


def read(step):
    """What each text of the batch says, by its tokens."""
    encoder, inputs = step.network[0].encoder, step.payload.inputs
    bounds = zip(inputs["offsets"][:-1], inputs["offsets"][1:], strict=True)
    return [encoder.tokenizer.decode(inputs["input_ids"][a:b][1:-1]) for a, b in bounds]


def kind_of(text):
    """Which animals a text names, in order."""
    return [word for word in text.split() if word in KINDS]


def naive(step, compare, scale):
    """Each query against all documents of the batch, but for copies of its own text."""
    z, texts = step.network(step.payload.inputs), read(step)
    n, total = len(step.calls[0]["queries"]), torch.zeros(())
    for i in range(n):
        scores = torch.stack([compare(z[i], k) * scale for k in z[n:]])
        kept = torch.tensor([k == i or texts[n + k] != texts[n + i] for k in range(len(texts) - n)])
        total = total + torch.logsumexp(scores[kept], 0) - scores[i]
    return total / n


@pytest.mark.parametrize(
    ("method", "compare", "scale"),
    [
        (lambda: get("dual-cross-encoder").method(), torch.dot, 1.0),
        (module.by_cosine, partial(F.cosine_similarity, dim=0), 20.0),
        (module.documents_alone, partial(F.cosine_similarity, dim=0), 20.0),
        (module.without_hard, partial(F.cosine_similarity, dim=0), 20.0),
    ],
)
def test_loss_is_that_of_a_naive_loop_over_documents_after_their_query(method, compare, scale):
    step = step_of_texts(method(), make=steady)
    same(step, naive(step, compare, scale), rtol=1e-3)


def test_queries_stand_before_their_positive_and_their_seven_negatives():
    step = step_of_texts("dual-cross-encoder", make=steady)
    texts, rows = read(step), step.calls[0]["keys"].columns["row"].tolist()
    queries, documents = texts[:8], texts[8:]
    assert len(documents) == 8 * 8
    asked = dict(zip(step.calls[0]["queries"].columns["row"].tolist(), queries, strict=True))
    for i, (row, text) in enumerate(zip(rows, documents, strict=True)):
        before, _, document = text.partition(" [SEP] ")
        assert before == asked[row]
        # the first eight are right, and all others are not
        assert (kind_of(before) == kind_of(document)) == (i < 8)


def test_documents_alone_have_the_same_negatives_and_no_query():
    with_query, alone = (step_of_texts(method(), make=steady) for method in (module.by_cosine, module.documents_alone))
    assert [text.partition(" [SEP] ")[2] for text in read(with_query)[8:]] == read(alone)[8:]
    assert not any("[SEP]" in text for text in read(step_of_texts(module.documents_alone(), make=steady)))
    assert len(step_of_texts(module.without_hard(), make=steady).calls[0]["keys"]) == 8


def test_ten_queries_a_document_are_searched_and_the_best_counts():
    encoder = get("dual-cross-encoder").method().settle(steady(DATA))
    assert isinstance(encoder, QueriedEncoder)
    assert (encoder.most, encoder.encoder.pooling, encoder.normalize, encoder.similarity) == (10, "cls", False, "dot")
    assert [make().settle(steady(DATA)).most for make in (module.one_query, module.documents_alone)] == [1, 0]
    test = few_queried(0)[1].asking(10).among(1)
    q = encoder.encoder.encode(test.queries.texts, kind="query", dtype="float32")
    best = []
    for text in test.corpus.texts:
        document, *asked = text.split("\t")
        read = [f"{query} [SEP] {document}" for query in asked[:10]]
        best.append((q @ encoder.encoder.encode(read or [document], dtype="float32").T).max(1))
    wanted = np.stack(best, 1)
    sides = ((test.queries, "query"), (test.corpus, "document"))
    _, scores = maxsim(*(encoder.encode_each(items, kind=kind, dtype="float32") for items, kind in sides), 1)
    np.testing.assert_allclose(scores[:, 0], wanted.max(1), rtol=1e-4)
    ids, _ = maxsim(*(encoder.encode_each(items, kind=kind) for items, kind in sides), 1)
    found = Find(test, test).measure("", encoder).found
    assert found.ids_nk[:, :1].tolist() == ids.tolist()


def test_the_writer_copies_words_that_titles_have_in_their_order():
    for text in few_queried(0)[1].corpus.texts:
        document, *titles = text.split("\t")
        words = list(dict.fromkeys(words_of(document)))
        assert 1 <= len(titles) <= 10
        for title in titles:
            places = [words.index(word) for word in title.split()]
            assert places == sorted(set(places))
            assert len(places) == min(4, len(words))


def test_the_ceiling_has_seen_the_titles_and_the_floor_sees_no_written_ones(monkeypatch):
    monkeypatch.setattr(testbed, "_queried", testbed._few)
    train, test = seen_queried(0)
    assert set(test.queries.texts) <= set(train.anchors.texts)
    alone, same = queried(0)
    assert same is test
    assert len(alone) == 4000
    assert not set(test.queries.texts) <= set(alone.anchors.texts)
    raw = FEW_QUERIED.raw.made(FEW_QUERIED, few_queried(0), 0)
    assert isinstance(raw.encoder, Alone)


def test_signal_is_the_share_of_descriptions_that_are_told_behind_the_same_title():
    class Reads:
        """Only what stands after the title, or only the title."""

        def __init__(self, part):
            self.part = part

        def encode_items(self, items, *, kind=None):
            known = sorted({w for text in parts[1].corpus.texts for w in words_of(text)})
            texts = [text.split("\t")[self.part if "\t" in text else 0] for text in items.texts]
            return np.array([[w in words_of(text) for w in known] for text in texts], np.float32)

    parts = few_queried(0)
    document, title = (told_behind.of(Made("", Reads(part), parts, 0)) for part in (0, 1))
    assert title == 0
    assert document > 0.8


def test_training_makes_it_tell_documents_behind_the_same_query():
    found = []
    for method in (module.by_cosine, module.without_hard):
        recipe = method().changed(steps=40, batch_size=12, learning_rate=5e-3, dtype="float32", validations=1)
        encoder, _ = recipe.make(DATA, 0, encoder=steady(DATA))
        found.append(told_behind.of(Made("", encoder, (DATA, pairs(DATA)), 0)))
    assert found[0] == 1
    assert found[1] < 1
