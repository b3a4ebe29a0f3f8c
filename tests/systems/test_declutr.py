"""DeCLUTR: spans of documents, the mean of those near an anchor, and NT-Xent among all anchors of some documents."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.sentences import declutr
from systems.through import same
from systems.words import small_bert, steady_bert, step_of_texts

# no word is in two documents, or twice in one
LONG = [Example(" ".join(f"{letter}{i}" for i in range(32))) for letter in "abcd"]


def nt_xent(first, second):
    """Anchors and means: each one's cross-entropy against its partner, among all but itself."""
    every, n, total = [*first, *second], len(first), torch.zeros(())
    for i, z in enumerate(every):
        s = {j: F.cosine_similarity(z, k, dim=0) / 0.05 for j, k in enumerate(every) if j != i}
        total = total + (torch.logsumexp(torch.stack(list(s.values())), 0) - s[(i + n) % (2 * n)]) / (2 * n)
    return total


def texts(step):
    encoder, inputs = step.network[0], step.payload.inputs
    ids, offsets = inputs["input_ids"], inputs["offsets"].tolist()
    found = [encoder.tokenizer.decode(ids[a:b], skip_special_tokens=True) for a, b in pairwise(offsets)]
    return [text.replace(" ##", "").split() for text in found]


def four(method, make=steady_bert):
    """Four of eight anchors, and eight spans near them."""
    return step_of_texts(method, LONG, make=make, n=4)


def test_loss_is_that_of_a_naive_loop_over_anchors_and_means():
    for method in ("declutr", declutr.again(), declutr.by_chance()):
        step = four(method)
        z = step.network(step.payload.inputs)
        assert len(z) == 12
        same(step, nt_xent(z[:4], [(a + b) / 2 for a, b in z[4:].view(4, 2, -1)]), rtol=1e-3)
    assert step.layers() == ["Identity"]


def test_spans_are_of_the_anchor_s_document_and_near_it():
    seen = texts(four("declutr"))
    anchors, near = seen[:4], [seen[4:][2 * i : 2 * i + 2] for i in range(4)]
    for anchor, others in zip(anchors, near, strict=True):
        places = [int(word[1:]) for word in anchor]
        assert places == list(range(places[0], places[-1] + 1))
        for other in others:
            there = [int(word[1:]) for word in other]
            assert other[0][0] == anchor[0][0]
            assert there[-1] >= places[0] - 1
            assert there[0] <= places[-1] + 1


def test_the_baseline_s_positives_are_the_anchor_itself():
    seen = texts(four(declutr.again()))
    assert seen[4::2] == seen[:4] == seen[5::2]


def test_any_span_is_one_of_another_anchor():
    plain = declutr.near(rows_of(LONG), nn.Identity(), 0)
    other = declutr.any_span(plain, nn.Identity(), 0)
    assert sorted(other.positives.tolist()) == plain.positives.tolist()
    assert (other.positives != plain.positives).all()
    assert [step.__name__ for step in declutr.by_chance().stages[0].prepare[1:]] == ["any_span"]


def test_both_anchors_of_a_document_are_in_one_batch():
    method = get("declutr").method()
    stage = method.stages[0]
    assert stage.together == "batch"
    step = step_of_texts(method, [Example(e.anchor.replace("a", f"{i}a")) for i in range(40) for e in LONG[:1]], n=32)
    (call,) = step.calls
    assert len(call["queries"]) == 32
    assert len(set(call["queries"].columns["document"].tolist())) == 16


def test_it_is_the_mean_of_states_with_dropout_and_of_any_length():
    step = four("declutr", make=lambda data: small_bert(data, pooling="cls"))
    encoder = step.network[0]
    assert (encoder.pooling, encoder.normalize, encoder.training) == ("mean", False, True)
