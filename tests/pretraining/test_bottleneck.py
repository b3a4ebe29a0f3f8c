from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoint.encoders import pool
from counterpoint.pretraining import Condenser, RetroMAE
from counterpoint.pretraining.bottleneck import unseen_keys


@given(st.integers(1, 6), st.floats(0, 1), st.integers(0, 100))
def test_every_place_sees_the_vector_and_never_itself_or_padding(length, share, seed):
    torch.manual_seed(seed)
    there = torch.arange(6)[None] < length
    unseen = unseen_keys(there, share)[0]
    assert not unseen[:, 0].any()
    assert unseen.diagonal()[1:].all()
    assert unseen[:, length:].all()


def test_half_of_the_others_are_hidden():
    torch.manual_seed(0)
    unseen = unseen_keys(torch.ones(20, 30, dtype=torch.bool), 0.5)
    others = ~torch.eye(30, dtype=torch.bool)
    others[:, 0] = False
    assert abs(float(unseen[:, others].float().mean()) - 0.5) < 0.02
    # each place has its own
    assert not torch.equal(unseen[0, 3], unseen[0, 4])


def test_retromae_by_hand(encoder, texts, monkeypatch):
    torch.manual_seed(0)
    task = RetroMAE(encoder, texts).eval()
    inputs = task.payload(torch.arange(1)).inputs
    whole, n = inputs["whole"][0], len(inputs["whole"][0])
    unseen = unseen_keys(torch.ones(1, n, dtype=torch.bool), 0.5)
    monkeypatch.setattr("counterpoint.pretraining.bottleneck.unseen_keys", lambda *_: unseen)
    hidden = encoder.model(input_ids=inputs["input_ids"][None]).last_hidden_state[0]
    s = pool(hidden, inputs["offsets"], "mean")[0]
    position = task.position.weight[:n]
    keys = encoder.model.get_input_embeddings().weight[whole] + position
    keys = torch.cat([s[None], keys[1:]])
    w, b = task.attention.in_proj_weight.chunk(3), task.attention.in_proj_bias.chunk(3)
    q, k, v = (x @ w[i].T + b[i] for i, x in enumerate((s + position, keys, keys)))
    heads = []
    for part in range(4):
        at = slice(8 * part, 8 * part + 8)
        scores = (q[:, at] @ k[:, at].T / 8**0.5).masked_fill(unseen[0], float("-inf"))
        heads.append(scores.softmax(1) @ v[:, at])
    x = task.after[0](s + position + task.attention.out_proj(torch.cat(heads, 1)))
    x = task.after[1](x + task.wide(x))
    got = task(inputs)[0, inputs["at"].shape[1] :]
    torch.testing.assert_close(got, task.transform(x[inputs["asked"][0]]), rtol=1e-4, atol=1e-5)


def test_condensers_head_sees_late_states_by_the_vector_alone(encoder, texts):
    torch.manual_seed(0)
    task = Condenser(encoder, texts).eval()
    inputs = task.payload(torch.arange(3)).inputs
    early, hidden = encoder._layers(inputs, (1, -1))
    reference = encoder.model(
        input_ids=inputs["input_ids"][: inputs["offsets"][1]][None], output_hidden_states=True
    ).hidden_states
    torch.testing.assert_close(early[: inputs["offsets"][1]], reference[1][0], rtol=1e-4, atol=1e-5)
    s = pool(hidden, inputs["offsets"], "mean")
    states = task.decoded(inputs, early, s)
    moved = task.decoded(inputs, early, s + 1)
    assert bool(((moved - states).abs().amax(1) > 1e-6).all())
    # of the first token the vector stands in its place
    first = early.clone()
    first[inputs["offsets"][:-1]] += 1
    torch.testing.assert_close(task.decoded(inputs, first, s), states)
