"""Malaysian Embedding: near and far by a teacher, cosine distances with a margin, the last token behind a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.methods import teachers
from counterpoint.systems import get
from counterpoint.systems.sentences import malaysian
from systems.through import same
from systems.words import ALONE, KINDS, small_table, steady_bert, step_of_texts


class Circle:
    """A teacher whose vectors are on a circle, a twelfth of it apart."""

    def encode_items(self, items):
        angles = [2 * np.pi * place(text) / len(KINDS) for text in items.texts]
        return np.array([[np.cos(a), np.sin(a)] for a in angles], np.float32)


def place(text: str) -> int:
    return next(i for i, kind in enumerate(KINDS) if kind in text)


def apart(i: int, j: int) -> float:
    return 2 * np.sin(np.pi * abs(i - j) / len(KINDS))


@pytest.fixture(autouse=True)
def teacher(monkeypatch):
    monkeypatch.setattr(teachers, "_made", lambda _: Circle())
    teachers._known.cache_clear()
    yield
    teachers._known.cache_clear()


def step_of(method, make=steady_bert, n=12):
    return step_of_texts(method.changed(accumulate=1), ALONE, make=make, n=n)


def sides(step):
    """Anchors, near and far texts."""
    encoder, inputs = step.network[0], step.payload.inputs
    z = step.network(inputs)
    texts = encoder.tokenizer.batch_decode(
        [i.tolist() for i in inputs["input_ids"].split(inputs["offsets"].diff().tolist())]
    )
    n = len(z) // 3
    return z.split(n), [[place(text) for text in texts[i * n : (i + 1) * n]] for i in range(3)]


def test_loss_is_that_of_a_naive_loop_over_near_and_far_texts():
    step = step_of(get("malaysian-embedding").method())
    (anchors, near, far), (a, p, n) = sides(step)
    assert all(apart(i, j) <= malaysian.NEAR for i, j in zip(a, p, strict=True))
    assert all(apart(i, j) > malaysian.FAR for i, j in zip(a, n, strict=True))
    assert all(i != j for i, j in zip(a, p, strict=True))
    losses = []
    for x, y, other in zip(anchors, near, far, strict=True):
        d = [1 - F.cosine_similarity(x, k, dim=0) for k in (y, other)]
        losses += [0.5 * d[0] ** 2, 0.5 * torch.clamp(1 - d[1], min=0) ** 2]
    same(step, torch.stack(losses).mean(), rtol=1e-3)
    assert bool((F.cosine_similarity(anchors, far) > 0).any())
    without = step_of(malaysian.without_far())
    (anchors, near, _), _ = sides(without)
    same(without, (0.5 * (1 - F.cosine_similarity(anchors, near)) ** 2).mean(), rtol=1e-3)


def test_the_last_token_goes_through_a_layer_without_bias_that_stays(tmp_path):
    step = step_of(get("malaysian-embedding").method())
    encoder = step.network[0]
    (layer,) = encoder.heads
    assert layer.linear.bias is None
    assert isinstance(layer.activation, nn.Identity)
    assert "0.heads.0.linear.weight" in step.gradient
    inputs = step.payload.inputs
    ids = inputs["input_ids"][: inputs["offsets"][1]]
    state = encoder.model(input_ids=ids[None]).last_hidden_state[0, -1]
    torch.testing.assert_close(encoder(inputs)[0], layer.linear.weight @ state, rtol=1e-4, atol=1e-4)
    assert not encoder.normalize


def test_the_older_models_take_a_softmax_over_near_and_far_texts_of_all():
    step = step_of(get("malaysian-llama2").method())
    assert step.network[0].pooling == "mean"
    assert step.network[0].heads[0].linear.bias is not None
    (anchors, near, far), (a, p, n) = sides(step)
    every, number = torch.cat([near, far]), [*p, *n]
    losses = []
    for i, x in enumerate(anchors):
        scores = F.cosine_similarity(x[None], every) / 0.02
        # copies of the text and of its near one are no negatives
        kept = torch.tensor([j for j in range(len(every)) if j == i or number[j] not in (a[i], p[i])])
        losses.append(torch.logsumexp(scores[kept], 0) - scores[i])
    same(step, torch.stack(losses).mean(), rtol=1e-3)


def test_what_has_no_near_text_is_left_out_and_tables_are_refused():
    some = rows_of([ALONE[i] for i in (0, 1, 6, 9)])
    (prepare,) = get("malaysian-embedding").method().stages[0].prepare
    found = prepare(some, nn.Identity(), 0)
    assert [place(text) for text in found.anchors[found.anchor].texts] == [0, 1]
    with pytest.raises(InputError, match="no text has both"):
        prepare(some[torch.tensor([0, 2])], nn.Identity(), 0)
    with pytest.raises(InputError, match="needs a transformer"):
        step_of(get("malaysian-embedding").method(), make=small_table)
