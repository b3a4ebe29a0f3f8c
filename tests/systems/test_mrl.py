"""MRL: a divergence of Gaussians that is one inner product; lists in a teacher's order by reciprocal ranks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from counterpoint.data.rows import rows_of
from counterpoint.encoders import ImageEncoder, MultivariateEncoder, load
from counterpoint.encoders.multivariate import as_gaussians
from counterpoint.errors import InputError
from counterpoint.geometry import Dot
from counterpoint.objectives import Guide, LambdaMRR
from counterpoint.points import Points
from counterpoint.systems import get
from counterpoint.systems.retrieval.mrl import means_alone
from counterpoint.testbeds import Made
from counterpoint.testbeds.multivariate import unequal_variances
from counterpoint.training import lists
from systems.through import same
from systems.words import PAIRS, small_table, step_of_texts


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """A teacher of a few steps: what it says is as good for a loop over pairs."""
    whole = lists.cross_encoder
    monkeypatch.setattr(lists, "cross_encoder", lambda data, seed, steps: whole(data, seed, steps=min(steps, 5)))


def gaussians(encoder, inputs):
    """From the table, by the equations."""
    inner, offsets = encoder.encoder, inputs["offsets"].tolist()
    rows = [inner.embedding(inputs["input_ids"][a:b]).mean(0) for a, b in pairwise(offsets)]
    h = torch.stack(rows)
    mean = h @ encoder.mean.weight.T + encoder.mean.bias
    if not encoder.spread:
        return mean, torch.ones_like(mean)
    x = h @ encoder.variance.weight.T + encoder.variance.bias
    return mean, (1 + (5 * x).exp()).log() / 5


def divergence(query, document):
    """KL(q || d) of diagonal Gaussians."""
    (m, s), (n, t) = query, document
    return 0.5 * (t.log() - s.log() + s / t + (m - n) ** 2 / t - 1).sum()


def of_pairs(scores, teacher):
    """The loss of one list."""
    order = sorted(range(len(scores)), key=lambda i: -float(scores[i].detach()))
    rank = {i: place + 1 for place, i in enumerate(order)}
    total = torch.zeros((), dtype=scores[0].dtype)
    for i in range(len(scores)):
        for j in range(len(scores)):
            if teacher[i] > teacher[j]:
                total = total + abs(1 / rank[i] - 1 / rank[j]) * (1 + (scores[j] - scores[i]).exp()).log()
    return total


def naive(step):
    """Scores from divergences, without what belongs to the query alone."""
    (call,) = step.calls
    n, keys, owned = len(call["queries"]), call["keys"], call["owned"]
    mean, variance = gaussians(step.network[0], step.payload.inputs)
    total = torch.zeros(())
    for i in range(n):
        there = owned.columns["valid"][i].nonzero()[:, 0].tolist()
        place = [int((keys.z == owned.z[i, j]).all(1).nonzero()[0, 0]) for j in there]
        scores = [-divergence((mean[i], variance[i]), (mean[n + k], variance[n + k])) for k in place]
        total = total + of_pairs(scores, call["guide"].owned[i][there].tolist())
    return total / n


def test_loss_is_that_of_a_naive_loop_over_pairs_of_each_list():
    step = step_of_texts("mrl-multivariate-representation-learning")
    assert step.layers() == ["Identity"]
    assert step.calls[0]["owned"].z.shape[1:] == (8, 763)
    same(step, naive(step), rtol=1e-3)


def test_means_alone_are_compared_by_distance():
    step = step_of_texts(means_alone())
    same(step, naive(step), rtol=1e-3)
    assert not any("variance" in name for name in step.gradient)


def test_one_inner_product_orders_documents_as_the_divergence_does():
    data = rows_of(PAIRS)
    encoder = MultivariateEncoder(small_table(data), size=5)
    texts = data.others.texts
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in (encoder.mean, encoder.variance):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=g) / 4)
        q = list(zip(*encoder.gaussians(encoder.tokenize(data.anchors.texts, "query")), strict=True))
        d = list(zip(*encoder.gaussians(encoder.tokenize(texts, "document")), strict=True))
    products = encoder.encode(data.anchors.texts, kind="query") @ encoder.encode(texts, kind="document").T
    for row, query in zip(products, q, strict=True):
        own = 0.5 * (len(query[0]) + float(query[1].log().sum()))
        np.testing.assert_allclose(row, [-float(divergence(query, one)) - own for one in d], rtol=1e-3)


@pytest.mark.parametrize("block", [0, 1, 3])
def test_objective_and_gradient_are_a_loop_over_pairs(block):
    g = torch.Generator().manual_seed(0)
    q = torch.randn(5, 3, generator=g, dtype=torch.float64).requires_grad_()
    k = torch.randn(5, 6, 3, generator=g, dtype=torch.float64).requires_grad_()
    teacher = torch.randint(3, (5, 6), generator=g).double()
    teacher[4] = 1.0  # nothing to learn of: it does not count
    valid = torch.ones(5, 6, dtype=torch.bool)
    valid[1, 2:], valid[3, 0] = False, False
    owned = Points(k, positive=torch.eye(6)[:1].repeat(5, 1), valid=valid)
    found = LambdaMRR(0.5, geometry=Dot())(q, owned=owned, guide=Guide(owned=teacher), block=block)
    losses = [
        of_pairs([2 * (q[i] @ k[i, j]) for j in range(6) if valid[i, j]], teacher[i][valid[i]].tolist())
        for i in range(5)
    ]
    counted = [x for i, x in enumerate(losses) if len(teacher[i][valid[i]].unique()) > 1]
    wanted = sum(counted) / len(counted)
    torch.testing.assert_close(found, wanted)
    for one, other in zip(torch.autograd.grad(found, (q, k)), torch.autograd.grad(wanted, (q, k)), strict=True):
        torch.testing.assert_close(one, other)


def test_it_is_saved_and_loaded(tmp_path):
    encoder = as_gaussians(small_table(rows_of(PAIRS)))
    assert as_gaussians(encoder) is encoder
    encoder.save(tmp_path / "model")
    other = load(tmp_path / "model")
    assert (other.similarity, other.normalize, other.dim, other.beta) == ("dot", False, 763, 5.0)
    for kind in ("query", "document"):
        np.testing.assert_allclose(other.encode(["a cat"], kind=kind), encoder.encode(["a cat"], kind=kind), rtol=1e-3)


def test_signal_is_how_unequal_variances_are():
    data = rows_of(PAIRS)
    encoder = get("mrl-multivariate-representation-learning").method().settle(small_table(data))
    variance = gaussians(encoder, encoder.inputs(data.others, "document"))[1].detach().log()
    wanted = [math.sqrt(sum((x - c.mean()) ** 2 for x in c) / (len(c) - 1)) for c in variance.double().T.numpy()]
    assert unequal_variances.of(Made("", encoder, (data, data), 0)) == pytest.approx(np.mean(wanted), rel=1e-3)
    assert unequal_variances.of(Made("", means_alone().settle(small_table(data)), (data, data), 0)) == 0


def test_what_are_no_gaussians_is_refused():
    with pytest.raises(InputError, match="no encoder of texts"):
        as_gaussians(ImageEncoder(widths=(8,)))
    for options in ({"size": 0}, {"beta": 0.0}, {"beta": math.inf}):
        with pytest.raises(InputError, match="dimensions, and beta"):
            MultivariateEncoder(small_table(rows_of(PAIRS)), **options)
