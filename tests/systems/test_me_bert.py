"""ME-BERT: a few vectors a document, the best of which counts; twenty candidates of all questions."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.encoders import MultiVectorEncoder
from counterpoint.search import maxsim
from counterpoint.systems import get
from counterpoint.systems.retrieval.me_bert import candidates, one_vector
from counterpoint.tasks import Find, pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds.late import beyond_the_first
from systems.through import same
from systems.words import PAIRS, small_bert, small_table, step_of_texts


def vectors(encoder, inputs, most):
    """Of each text, from its tokens: a table's parts, or a transformer's first states; then layer normalisation."""
    inner, offsets, made = encoder.encoder, inputs["offsets"].tolist(), []
    for i, (first, last) in enumerate(pairwise(offsets)):
        ids, number = inputs["input_ids"][first:last], 1 if bool(inputs["asked"][i]) else most
        if hasattr(inner, "embedding"):
            states, size = inner.embedding(ids), len(ids)
            parts = [[t for t in range(size) if t * min(number, size) // size == p] for p in range(min(number, size))]
            states = torch.stack([states[part].mean(0) for part in parts])
        else:
            states = inner.model(input_ids=ids[None]).last_hidden_state[0, :number]
        centred = states - states.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        made.append(scaled * encoder.norm.weight + encoder.norm.bias)
    return made


def naive(step, most=3):
    (call,) = step.calls
    n = len(call["queries"])
    z = vectors(step.network[0].encoder, step.payload.inputs, most)
    q, d = z[:n], z[n:]
    assert all(len(one) == 1 for one in q)
    assert max(map(len, d)) == most
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    total = torch.zeros(())
    for i in range(n):
        scores = {j: (d[j] @ q[i][0]).max() for j in range(len(d)) if j == i or shown[j] != partner[i]}
        total = total - scores[i] + torch.logsumexp(torch.stack(list(scores.values())), 0)
    return total / n


def undropped(recipe):
    return recipe.varied(recipe.name, head=None)


@pytest.mark.parametrize("make", [small_table, lambda data: small_bert(data, dropout=0.0)])
def test_loss_is_that_of_a_naive_loop_over_vectors_of_all_candidates(make):
    step = step_of_texts(undropped(get("me-bert").method()), make=make)
    assert len(step.calls[0]["keys"]) > 8 * 10
    same(step, naive(step))


def test_one_vector_is_a_dual_encoder():
    step = step_of_texts(undropped(one_vector()))
    same(step, naive(step, most=1))


def test_a_tenth_of_the_vectors_is_dropped_in_training():
    step = step_of_texts("me-bert")
    assert step.layers() == ["Dropout"]
    z = step.calls[0]["keys"].z
    there = (z != 0).any(-1)
    assert float((z[there] == 0).float().mean()) == pytest.approx(0.1, abs=0.03)


def test_candidates_are_half_mined_half_drawn_and_never_right():
    data = rows_of([*PAIRS, *[type(PAIRS[0])(f"question {i}", (f"answer {i}",)) for i in range(40)]])
    one, other = (candidates(data, nn.Identity(), seed) for seed in (0, 1))
    assert one.negatives.shape == (52, 19)
    assert not (one.negatives == data.positives).any()
    assert not torch.equal(one.negatives, other.negatives)
    # what shares no word is not found by BM25: drawn ones are of all kinds
    kinds = one.negatives[:12] >= 12
    assert not kinds[:, :9].any()
    assert float(kinds[:, 9:].float().mean()) > 0.5


def test_vectors_are_not_scaled_and_ranked_by_their_best():
    data = rows_of(PAIRS)
    encoder, _ = get("me-bert").method().changed(steps=1, batch_size=4).make(data, encoder=small_table(data))
    assert isinstance(encoder, MultiVectorEncoder)
    assert (encoder.most, encoder.asked, encoder.normalize) == (3, 1, False)
    queries, documents = data.anchors[data.anchor], data.others
    q, d = encoder.encode_each(queries, kind="query"), encoder.encode_each(documents, kind="document")
    ids, scores = maxsim(q, d, 1)
    best = [max(float(x @ q.vectors_td[0]) for x in part) for part in _split(d)]
    assert ids[0, 0] == max(range(len(best)), key=best.__getitem__)
    assert scores[0, 0] == pytest.approx(max(best), rel=1e-5)


def _split(z):
    return [z.vectors_td[a:b] for a, b in zip(z.offsets_n[:-1], z.offsets_n[1:], strict=True)]


def test_signal_is_the_share_of_answers_whose_best_vector_is_not_the_first():
    data, shares = rows_of(PAIRS), []
    for recipe in (get("me-bert").method(), one_vector()):
        encoder = recipe.settle(small_table(data))
        asked, answers = data.anchors[data.anchor], data.others[data.positives[:, 0]]
        q, d = encoder.encode_each(asked, kind="query"), encoder.encode_each(answers, kind="document")
        best = [int((part @ x).argmax()) for part, x in zip(_split(d), q.vectors_td, strict=True)]
        shares.append(beyond_the_first.of(Made("", encoder, (data, data), 0)))
        assert shares[-1] == pytest.approx(sum(b > 0 for b in best) / len(best))
    assert shares[0] > shares[1] == 0


def test_what_it_makes_is_measured_by_late_interaction():
    data = rows_of(PAIRS)
    encoder = get("me-bert").method().settle(small_table(data))
    collection = pairs(data)
    measured = Find(collection, collection).measure("", encoder)
    sides = ((collection.queries, "query"), (collection.corpus, "document"))
    ids, _ = maxsim(*(encoder.encode_each(items, kind=kind) for items, kind in sides), 3)
    assert measured.found.ids_nk[:, :3].tolist() == ids.tolist()
    assert Find(collection, collection).validate(encoder) == pytest.approx(measured.figures["mrr@10"].value)
