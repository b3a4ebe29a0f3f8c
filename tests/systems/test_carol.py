"""CAROL: distances within classes less those between, and texts written again from what was left of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.sentences import carol
from counterpoint.testbeds import Trained
from systems.test_denosent import steady
from systems.through import same
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

LABEL = torch.tensor([0] * 9 + [1] * 3)
TEXTS = Data.alone(
    Items("text", [f"a {kind} sleeps at night {'deep ' * (i % 3)}" for i, kind in enumerate(KINDS)]), label=LABEL
)


@pytest.fixture(autouse=True)
def _steady(monkeypatch):
    monkeypatch.setattr(carol, "decoder", steady(carol.decoder))


def step_on(method="carol", make=steady_bert):
    return step_of_texts(method, TEXTS, make=make, n=12)


def rows_of(step):
    """Labels and places among the texts of what the step saw, in the order of the batch, of both views."""
    evenly = torch.cat([torch.arange(9), torch.arange(9, 12).repeat(3)])
    order = step.calls[0]["queries"].columns["sample"][:12]
    return LABEL[evenly[order]].repeat(2), evenly[order].repeat(2)


def separated(z, label):
    """The mean over all pairs of one class less that over all others."""
    found = {True: [], False: []}
    for i in range(len(z)):
        for j in range(len(z)):
            if i != j:
                found[bool(label[i] == label[j])].append(1 - F.cosine_similarity(z[i], z[j], dim=0))
    return torch.stack(found[True]).mean() - torch.stack(found[False]).mean()


def rebuilt(step, z, places):
    """Minus the logarithm of the probability of each token after the first, which sees those before it."""
    encoder, told, losses = step.network[0], step.procedure, []
    for h, i in zip(z, places.tolist(), strict=True):
        ids = encoder.tokenize([TEXTS.anchors.texts[i]])["input_ids"]
        x = encoder.model.embeddings(ids[None, :-1])[0].detach()
        for layer in told.decoder.layers:
            own, cross = layer.self_attn, layer.multihead_attn
            q, k, v = (x @ own.in_proj_weight.T + own.in_proj_bias).chunk(3, 1)
            seen = [torch.softmax(q[t] @ k[: t + 1].T / len(h) ** 0.5, 0) @ v[: t + 1] for t in range(len(x))]
            x = layer.norm1(x + own.out_proj(torch.stack(seen)))
            x = layer.norm2(x + cross.out_proj(cross.in_proj_weight[-len(h) :] @ h + cross.in_proj_bias[-len(h) :]))
            x = layer.norm3(x + layer.linear2(torch.relu(layer.linear1(x))))
        scores = told.transform(x) @ encoder.model.embeddings.word_embeddings.weight.T + told.bias
        losses.append(-scores.log_softmax(1)[torch.arange(len(ids) - 1), ids[1:]])
    return torch.cat(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_distances_and_tokens():
    step = step_on()
    z = torch.cat(step.z())
    label, places = rows_of(step)
    same(step, separated(z, label) + rebuilt(step, z, places), rtol=1e-3)


def test_arms_leave_out_what_they_say():
    step = step_on(carol.without_separation())
    z, (label, places) = torch.cat(step.z()), rows_of(step)
    same(step, rebuilt(step, z, places), rtol=1e-3)
    step = step_on(carol.without_reconstruction())
    z, (label, _) = torch.cat(step.z()), rows_of(step)
    assert step.procedure is None
    same(step, separated(z, label), rtol=1e-3)
    makes = (get("carol").method, carol.without_separation, carol.without_reconstruction)
    assert len({Trained(make).key for make in makes}) == 3


def test_rare_classes_are_seen_as_often_and_each_text_with_deletions_of_its_own():
    data = carol.evenly(TEXTS, nn.Identity(), 0)
    assert data.columns["label"].bincount().tolist() == [9, 9]
    assert set(data.anchors[data.anchor].texts) == set(TEXTS.anchors.texts)
    step = step_on()
    label, _ = rows_of(step)
    assert 3 < int(label[:12].sum()) < 10
    features, encoder = step.payload.inputs, step.network[0]
    seen = [row.tolist() for row in features["input_ids"].split(features["offsets"].diff().tolist())]
    assert sum(a != b for a, b in zip(seen[:12], seen[12:], strict=True)) > 6
    words = [len(TEXTS.anchors.texts[i].split()) for i in rows_of(step)[1].tolist()]
    left = [len(encoder.tokenizer.decode(row, skip_special_tokens=True).split()) for row in seen]
    assert left == [n - round(0.6 * n) for n in words]


def test_the_decoder_sees_what_is_before_and_vectors_are_as_they_are():
    step = step_on(make=lambda data: small_bert(data, pooling="cls"))
    made = step.procedure
    assert (made.ahead, made.noise.p, len(made.decoder.layers)) == (True, 0.0, 1)
    encoder = small_bert(TEXTS)
    encoder.normalize = True
    assert not get("carol").method().adapt(encoder).normalize
