from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.pretraining import ReplacedTokens
from counterpoint.training import TrainConfig, train


@pytest.fixture
def task(encoder, texts):
    torch.manual_seed(1)
    return ReplacedTokens(encoder, texts).eval()


def test_the_generator_has_the_encoders_token_vectors(task):
    assert task.generator.model.get_input_embeddings() is task.encoder.model.get_input_embeddings()


def test_losses_are_those_of_electra_by_hand(task, texts, monkeypatch):
    drawn = {}

    def multinomial(p, n):
        drawn["p"], drawn["ids"] = p, torch.arange(len(p))[:, None] % 7 + 5
        return drawn["ids"]

    monkeypatch.setattr(torch, "multinomial", multinomial)
    torch.manual_seed(0)
    payload = task.payload(torch.arange(6))
    loss = task.objective()(**payload.arguments(task(payload.inputs)))
    encoder, ids = task.encoder, payload.inputs["input_ids"]
    offsets, at = payload.inputs["offsets"], payload.inputs["at"]
    place = (offsets[:-1, None] + at)[at >= 0]
    sizes = offsets.diff().tolist()

    def states(model, shown):
        return torch.cat([model(input_ids=row[None]).last_hidden_state[0] for row in shown.split(sizes)])

    masked = ids.clone()
    masked[place] = encoder.tokenizer.mask_token_id
    table = encoder.model.get_input_embeddings().weight
    guessed = task.guess(states(task.generator.model, masked)[place]) @ table.T + task.bias
    torch.testing.assert_close(drawn["p"], guessed.softmax(1), rtol=1e-4, atol=1e-6)
    seen = ids.clone()
    seen[place] = drawn["ids"][:, 0]
    judged = ~torch.isin(ids, torch.tensor(encoder.tokenizer.all_special_ids))
    logit = task.transform(states(encoder.model, seen)[judged]) @ task.replaced[:-1] + task.replaced[-1]
    replaced = (seen != ids)[judged]
    assert replaced.any()
    expected = F.cross_entropy(guessed, ids[place])
    expected = expected + 50 * F.binary_cross_entropy_with_logits(logit, replaced.float())
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)


def test_a_token_that_comes_out_as_it_was_is_not_replaced(task, monkeypatch):
    torch.manual_seed(0)
    payload = task.payload(torch.arange(4))
    at, ids = payload.inputs["at"], payload.inputs["input_ids"]
    true = ids[(payload.inputs["offsets"][:-1, None] + at)[at >= 0]]
    monkeypatch.setattr(torch, "multinomial", lambda p, n: true[:, None])
    columns = payload.arguments(task(payload.inputs))["queries"].columns
    assert set(columns["sample"][columns["term"] == 1].tolist()) == {task.encoder.model.config.vocab_size}


def test_it_learns_to_tell(task, texts):
    config = TrainConfig(epochs=40, batch_size=32, learning_rate=3e-3, dtype="float32")
    history = train(task, task, task.objective(), config).history
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
