"""GCL: pairs weigh their score, both ways; texts of two fields are the mean of both."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.retrieval.gcl import alike
from systems.through import same
from systems.words import KINDS, PAIRS, small_bert, step_of_texts

SCORES = [1.0, 0.75, 0.5, 0.25]
ASKED = [
    # the first is asked for twice
    Example(f"a {KINDS[max(1, i)]}", (f"{kind}, number {i}\tit sleeps all night for {i} hours",), score=SCORES[i % 4])
    for i, kind in enumerate(KINDS)
]


def naive(step, data, weigh) -> torch.Tensor:
    """`w_i (CE(q_i) + CE(d_i)) / 2`, one pair at a time, each field encoded by itself."""
    inner = step.network[0].encoder

    def vector(text: str) -> torch.Tensor:
        fields = [F.normalize(inner(inner.tokenize([field]))[0], dim=0) for field in text.split("\t")]
        return F.normalize(torch.stack(fields).sum(0), dim=0)

    rows = step.calls[0]["queries"].columns["sample"].tolist()
    asked = [data.anchors.texts[int(data.anchor[r])] for r in rows]
    q = torch.stack([vector(text) for text in asked])
    d = torch.stack([vector(data.others.texts[int(data.positives[r, 0])]) for r in rows])
    s = q @ d.T / 0.05
    every = weigh(data.columns["score"].float())
    total = torch.zeros(())
    for i, r in enumerate(rows):
        seen = [j for j in range(len(rows)) if j == i or asked[j] != asked[i]]
        both = torch.logsumexp(s[i, seen], 0) + torch.logsumexp(s[seen, i], 0) - 2 * s[i, i]
        total = total + every[r] / every.mean() * both / 2
    return total / len(rows)


@pytest.mark.parametrize(
    ("method", "weigh"), [(get("gcl").method(), lambda s: s), (alike(), torch.ones_like)], ids=["scored", "alike"]
)
def test_loss_is_that_of_a_naive_loop_over_pairs_by_their_score(method, weigh):
    if weigh is not torch.ones_like:
        method = "gcl"
    data = rows_of(ASKED)
    step = step_of_texts(method, data, n=12)
    same(step, naive(step, data, weigh), rtol=1e-3)


def test_a_transformer_encodes_each_field_by_itself():
    step = step_of_texts("gcl", rows_of(ASKED), make=small_bert, n=12)
    assert step.network[0].shares == (0.5, 0.5)
    assert int((step.payload.inputs["fields"] > 0).sum()) == 12 + 2 * 12


def test_poor_pairs_pull_less():
    data = rows_of(ASKED)
    grads = {}
    for name, method in (("scored", "gcl"), ("alike", alike())):
        step = step_of_texts(method, data, n=12)
        (call,) = step.calls
        rows = call["queries"].columns["sample"]
        weight = call["queries"].columns["score"]
        torch.testing.assert_close(call["keys"].columns["score"], weight)
        grads[name] = weight[rows.argsort()]
    assert torch.equal(grads["alike"], torch.ones(12))
    torch.testing.assert_close(grads["scored"], torch.tensor(SCORES * 3) / 0.625)


def test_pairs_without_scores_are_refused():
    with pytest.raises(InputError, match="GCL trains on scored pairs of texts"):
        get("gcl").method().refuse(rows_of(PAIRS))
