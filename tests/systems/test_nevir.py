"""NevIR: pairwise accuracy of contrasts, and a retriever that is fine-tuned on them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Contrast, read_contrasts
from counterpoint.data.items import Items
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate_contrasts, of_documents
from counterpoint.systems import get
from counterpoint.systems.retrieval.nevir import apart, usual
from counterpoint.testbeds import Made
from counterpoint.testbeds.negation import CHANCE, contradiction, contrasts_of, made_negations, told_apart
from systems.through import same, step_of
from systems.words import small_table

CONTRASTS = [Contrast(f"q{i}", f"r{i}", f"d{i}", f"e{i}") for i in range(4)]


def test_a_contrast_counts_if_both_queries_find_their_own_document():
    # both right, one right, none, and a tie
    scores = {
        ("q0", "d0"): 2.0, ("q0", "e0"): 1.0, ("r0", "e0"): 1.0, ("r0", "d0"): 0.5,
        ("q1", "d1"): 2.0, ("q1", "e1"): 1.0, ("r1", "e1"): 1.0, ("r1", "d1"): 1.5,
        ("q2", "d2"): 0.0, ("q2", "e2"): 1.0, ("r2", "e2"): 0.0, ("r2", "d2"): 1.5,
        ("q3", "d3"): 1.0, ("q3", "e3"): 1.0, ("r3", "e3"): 2.0, ("r3", "d3"): 1.0,
    }  # fmt: skip
    result = evaluate_contrasts(lambda q, d: np.array([scores[pair] for pair in zip(q, d, strict=True)]), CONTRASTS)
    assert result["pairwise accuracy"].values.tolist() == [1, 0, 0, 0]
    assert result["accuracy of a query"].values.tolist() == [1, 1, 1, 0, 0, 0, 0, 1]


def test_what_does_not_see_the_query_gets_nothing_and_chance_a_quarter():
    blind = evaluate_contrasts(lambda q, d: np.array([float(len(q)) + hash(t) % 97 for t in d]), CONTRASTS)
    assert blind["pairwise accuracy"].value == 0
    parts = made_negations(0)
    made = Made("chance", CHANCE.encoder(parts), parts, 0)
    assert told_apart.of(made) == pytest.approx(0.25, abs=0.1)


def test_signal_is_how_near_a_document_is_to_what_it_contradicts():
    parts = made_negations(0)
    encoder = CHANCE.encoder(parts)
    first, second = (
        F.normalize(torch.from_numpy(encoder.encode_items(Items("text", texts), kind="document")), dim=1)
        for texts in ([c.doc1 for c in contrasts_of(parts[1])], [c.doc2 for c in contrasts_of(parts[1])])
    )
    wanted = float((first * second).sum(1).mean())
    assert contradiction.of(Made("", encoder, parts, 0)) == pytest.approx(wanted, abs=1e-5)


def test_scores_must_be_numbers_one_a_pair():
    for wrong in (lambda q, d: np.zeros(3), lambda q, d: np.full(len(q), np.nan)):
        with pytest.raises(InputError, match="one a pair"):
            evaluate_contrasts(wrong, CONTRASTS)
    with pytest.raises(InputError, match="no contrasts"):
        evaluate_contrasts(lambda q, d: np.zeros(len(q)), [])


def test_an_encoder_is_asked_for_queries_and_documents():
    class Sides:
        def encode(self, texts, *, kind=None):
            turn = {"query": 1.0, "document": -1.0}[kind]
            return np.array([[turn * len(text), 1.0] for text in texts], dtype=np.float32)

    score = of_documents(Sides())
    a, b = np.array([1.0, 1.0]), np.array([-2.0, 1.0])
    assert score(["a"], ["bb"])[0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_authors_files_are_read(tmp_path):
    rows = [{"q1": "a", "q2": "b", "doc1": "c", "doc2": "d", "WorkerId": 3}] * 2
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_contrasts(tmp_path / "test.jsonl") == [Contrast("a", "b", "c", "d")] * 2
    (tmp_path / "other.jsonl").write_text('{"text": "a"}')
    assert read_contrasts(tmp_path / "other.jsonl") is None
    (tmp_path / "object.jsonl").write_text('{\n"a": 1,\n"b": 2\n}\n')
    assert read_contrasts(tmp_path / "object.jsonl") is None
    assert read_contrasts(tmp_path) is None
    (tmp_path / "bad.jsonl").write_text("\n".join([json.dumps(rows[0]), '{"q1": "a", "q2": "b", "doc1": "c"}']))
    with pytest.raises(InputError, match="lacks a text"):
        read_contrasts(tmp_path / "bad.jsonl")


def stepped(method):
    data = made_negations(0)[0]
    return step_of(method, data, encoder=small_table(data))


def naive(step, hard):
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    given = step.payload.arguments(step.network(step.payload.inputs))
    shown, partner = given["keys"].columns["input"], given["queries"].columns["partner"]
    n = len(given["queries"])
    q, k = z[:n], z[n:]
    assert len(k) == (2 * n if hard else n)
    total = torch.zeros(())
    for i in range(n):
        seen = torch.tensor([j for j in range(len(k)) if j == i or shown[j] != partner[i]])
        total = total + torch.logsumexp(20 * q[i] @ k[seen].T, 0) - 20 * q[i] @ k[i]
    return total / n


@pytest.mark.parametrize(("method", "hard"), [("nevir", True), (usual, False), (apart, False)])
def test_loss_is_that_of_a_naive_loop_with_the_other_document_as_a_hard_negative(method, hard):
    step = step_of_name(method)
    same(step, naive(step, hard), rtol=1e-3)


def step_of_name(method):
    return stepped(method if isinstance(method, str) else method())


def test_what_is_usual_has_seen_no_negation():
    def negated(step):
        inputs = step.payload.inputs
        ids = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
        said = [step.network[0].tokenizer.decode(one.tolist()) for one in ids]
        return any(word in text.split() for text in said for word in ("not", "longer", "false", "nobody"))

    assert negated(step_of_name("nevir"))
    assert negated(step_of_name(apart))
    assert not negated(step_of_name(usual))
    first, second = get("nevir").method().stages
    data = made_negations(0)[0]
    for prepare in first.prepare:
        data = prepare(data, torch.nn.Identity(), 0)
    assert data.negatives is None
    assert set(data.columns["negated"].tolist()) == {0}
    assert second.prepare == ()


def test_of_two_rows_documents_differ_by_a_negation_and_queries_say_it_in_other_words():
    train, test = made_negations(1)
    assert len(train) + len(test) == 2 * 72
    contrasts = contrasts_of(train)
    assert not {c.doc1 for c in contrasts} & {c.doc1 for c in contrasts_of(test)}
    for c in contrasts:
        more = set(c.doc2.split()) - set(c.doc1.split())
        assert more in ({"not"}, {"no", "longer"}, {"isn't"})
        assert c.q2.endswith(c.q1)
        assert not more & set(c.q2.removesuffix(c.q1).split())
    for c, row in zip(contrasts, range(0, len(train), 2), strict=True):
        assert train.others.texts[int(train.negatives[row, 0])] == c.doc2
        assert train.others.texts[int(train.negatives[row + 1, 0])] == c.doc1
