"""mGTE: prefixes of a dense vector and shared tokens, each in a softmax over all documents of the batch."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.encoders import HybridEncoder, ImageEncoder
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.retrieval.mgte import dense_alone
from counterpoint.tasks import pairs
from counterpoint.testbeds import Made
from counterpoint.testbeds.hybrid import found_by, unequal_weights
from systems.through import same
from systems.words import PAIRS, small_table, step_of_texts


def naive(step, *, sparse=True):
    """From the table's rows: means of tokens cut short, and products of the weights of tokens that both texts have."""
    encoder, inputs = step.network[0], step.payload.inputs
    rows, weigh = encoder.encoder.embedding, encoder.weigh
    dense, weights = [], []
    for a, b in pairwise(inputs["offsets"].tolist()):
        ids = inputs["input_ids"][a:b]
        dense.append(rows(ids).mean(0))
        weights.append({v: torch.relu(weigh.weight[0] @ rows.weight[v] + weigh.bias[0]) for v in set(ids.tolist())})
    (call,) = step.calls
    n, m = len(call["queries"]), len(call["keys"])
    assert len(dense) == n + m
    brought, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    seen = [torch.tensor([k == i or int(brought[k]) != int(partner[i]) for k in range(m)]) for i in range(n)]
    own = [int((seen[i].nonzero()[:, 0] == i).nonzero()[0]) for i in range(n)]

    def total(scores):
        return sum(torch.logsumexp(s[seen[i]], 0) - s[seen[i]][own[i]] for i, s in enumerate(scores)) / n

    loss = torch.zeros(())
    for d in (32, 64, 128, 256, 512, 768):
        z = [F.normalize(u[:d], dim=0) for u in dense]
        loss = loss + total([torch.stack([z[i] @ key for key in z[n:]]) / 0.05 for i in range(n)])
    if not sparse:
        return loss
    products = []
    for asked in weights[:n]:
        shared = [sum((asked[v] * w[v] for v in asked.keys() & w.keys()), torch.zeros(())) for w in weights[n:]]
        products.append(torch.stack(shared) / 0.01)
    return loss + total(products)


def wide(data):
    """A table that can be cut, and is wider than two of the prefixes."""
    return small_table(data, dim=80)


def test_loss_is_that_of_a_naive_loop_over_prefixes_and_shared_tokens():
    step = step_of_texts("mgte", make=wide, steps=2)
    assert isinstance(step.network[0], HybridEncoder)
    # eight that are no copies: some are positives of others in the batch
    assert len(step.calls[0]["keys"]) > 2 * len(step.calls[0]["queries"])
    same(step, naive(step), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, naive(step, sparse=False), rtol=1e-3)
    assert float(step.gradient["0.weigh.weight"].norm()) > 0


def test_without_the_sparse_loss_weights_stay_the_same():
    step = step_of_texts(dense_alone(), make=wide, steps=2)
    same(step, naive(step, sparse=False), rtol=1e-3)
    assert not float(step.gradient["0.weigh.weight"].norm())


def test_each_query_has_eight_hard_negatives():
    recipe = get("mgte").method()
    (prepare,) = recipe.stages[0].prepare
    assert prepare(rows_of(PAIRS), torch.nn.Identity(), 0).negatives.shape == (len(PAIRS), 8)
    encoder = recipe.settle(wide(rows_of(PAIRS)))
    assert (encoder.share, encoder.similarity, encoder.normalize) == (5, "dot", False)
    assert recipe.settle(encoder) is encoder


def trained():
    data = rows_of(PAIRS)
    encoder = get("mgte").method().settle(wide(data))
    torch.manual_seed(0)
    torch.nn.init.normal_(encoder.weigh.weight, std=0.05)
    return Made("", encoder, (data, pairs(data)), 0), data


def test_parts_rank_by_their_products():
    made, data = trained()
    q, d = (made.encoder.encode(side.texts, kind=kind) for side, kind in
            ((data.anchors, "query"), (data.others, "document")))  # fmt: skip
    for part, dims in (("dense", slice(0, 768)), ("sparse", slice(768, None)), ("both", slice(None))):
        scores, total = q[:, dims] @ d[:, dims].T, 0.0
        for i, row in enumerate(scores):
            better = int((row > row[i] + 1e-6).sum())
            even = int((np.abs(row - row[i]) <= 1e-6).sum())
            places = range(better + 1, better + even + 1)
            total += sum(1 / np.log2(1 + place) for place in places if place <= 10) / even
        assert found_by(part).of(made) == pytest.approx(total / len(data), abs=1e-4)
    plain = replace(made, encoder=wide(data))
    assert found_by("dense").of(plain) == found_by("both").of(plain)


def test_signal_is_how_unequal_weights_are():
    made, data = trained()
    encoder, found = made.encoder, []
    for text in data.others.texts:
        ids = sorted(set(encoder.tokenize([text])["input_ids"].tolist()))
        found += torch.relu(encoder.weigh(encoder.encoder.embedding.weight[ids]))[:, 0].tolist()
    found = np.array([w for w in found if w > 0])
    assert unequal_weights.of(made) == pytest.approx(found.std() / found.mean(), rel=1e-3)
    torch.nn.init.zeros_(encoder.weigh.weight)
    assert unequal_weights.of(made) == pytest.approx(0, abs=1e-6)


def test_what_reads_no_texts_is_refused():
    with pytest.raises(InputError, match="without states of tokens"):
        get("mgte").method().settle(ImageEncoder(widths=(8,)))
