from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.pretraining import MaskedLM, guesses
from counterpoint.pretraining._base import beginnings
from counterpoint.training import TrainConfig, train


def flat(task, rows):
    """Ids as they were, as they are shown, and which are asked for, one text after the other."""
    inputs = task.payload(rows).inputs
    at, offsets = inputs["at"], inputs["offsets"]
    chosen = torch.zeros(len(inputs["input_ids"]), dtype=torch.bool)
    chosen[(offsets[:-1, None] + at)[at >= 0]] = True
    return inputs["input_ids"], chosen


@pytest.mark.parametrize("bias", [False, True])
def test_the_loss_is_cross_entropy_over_the_vocabulary(encoder, texts, bias):
    task = MaskedLM(encoder, texts, bias=bias)
    torch.manual_seed(0)
    shown, chosen = flat(task, torch.arange(8))
    torch.manual_seed(0)
    payload = task.payload(torch.arange(8))
    loss = task.objective()(**payload.arguments(task(payload.inputs)))
    # by hand, without packing: every text alone
    ids = encoder.tokenize(texts[:8])
    states = torch.cat(
        [encoder.model(input_ids=row[None]).last_hidden_state[0] for row in shown.split(ids["offsets"].diff().tolist())]
    )
    logits = task.transform(states[chosen]) @ encoder.model.get_input_embeddings().weight.T
    logits = logits if task.bias is None else logits + task.bias
    torch.testing.assert_close(loss, F.cross_entropy(logits, ids["input_ids"][chosen]), rtol=1e-5, atol=1e-6)


def test_a_bias_begins_as_the_logarithm_of_how_frequent_a_token_is(encoder):
    ids = torch.tensor([7] * 9 + [8])
    task = MaskedLM(encoder, {"input_ids": ids, "offsets": torch.tensor([0, 10])}, bias=True)
    share = task.bias.detach().exp()
    assert float(share.sum()) == pytest.approx(1, abs=1e-5)
    assert float(share[7] / share[8]) == pytest.approx(10 / 2, rel=1e-5)


def test_what_is_masked(encoder, texts):
    task = MaskedLM(encoder, texts)
    torch.manual_seed(0)
    original = task._features["input_ids"]
    pairs = [flat(task, torch.arange(len(task))) for _ in range(20)]
    shown, chosen = (torch.stack(side) for side in zip(*pairs, strict=True))
    original = original.expand(20, -1)
    special = torch.isin(original, torch.tensor(encoder.tokenizer.all_special_ids))
    assert not bool((chosen & special).any())
    assert torch.equal(shown[~chosen], original[~chosen])
    assert float(chosen[~special].float().mean()) == pytest.approx(0.15, abs=0.01)
    is_mask, is_same = (shown == encoder.tokenizer.mask_token_id)[chosen], (shown == original)[chosen]
    assert float(is_mask.float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float(is_same.float().mean()) == pytest.approx(0.1, abs=0.02)


def test_whole_words_are_masked_as_wholes(encoder, texts):
    task = MaskedLM(encoder, texts, whole_words=True, share=0.3)
    torch.manual_seed(0)
    _, chosen = flat(task, torch.arange(len(task)))
    ids = task._features["input_ids"]
    begins = beginnings(encoder)[ids]
    goes_on = ~begins[1:]
    assert goes_on.sum() > 100
    assert torch.equal(chosen[1:][goes_on], chosen[:-1][goes_on])
    words = chosen[begins & ~torch.isin(ids, torch.tensor(encoder.tokenizer.all_special_ids))]
    assert float(words.float().mean()) == pytest.approx(0.3, abs=0.04)


def test_where_words_begin_is_known_or_said(encoder, monkeypatch):
    first = encoder.tokenizer.convert_ids_to_tokens([len(encoder.tokenizer) - 1])
    assert bool(beginnings(encoder)[-1]) is not first[0].startswith("##")
    names = [f"Ġ{i}" if i % 2 else str(i) for i in range(len(encoder.tokenizer))]
    monkeypatch.setattr(encoder.tokenizer, "convert_ids_to_tokens", lambda _: names)
    assert beginnings(encoder)[:4].tolist() == [False, True, False, True]
    monkeypatch.setattr(encoder.tokenizer, "convert_ids_to_tokens", lambda ids: ["x"] * len(ids))
    with pytest.raises(InputError, match="where words begin"):
        beginnings(encoder)


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_a_share_out_of_range_is_refused(encoder, texts, share):
    with pytest.raises(InputError, match="share of masked tokens"):
        MaskedLM(encoder, texts, share=share)


def test_a_tokenizer_without_a_mask_is_refused(encoder, texts):
    encoder.tokenizer.mask_token = None
    with pytest.raises(InputError, match="no mask token"):
        MaskedLM(encoder, texts)


def test_it_learns_and_changes_the_encoder(encoder, texts):
    task = MaskedLM(encoder, texts)
    before = encoder.encode(texts[:2], dtype="float32")
    settings = TrainConfig(epochs=20, batch_size=32, learning_rate=3e-3, dtype="float32")
    history = train(task, task, task.objective(), settings).history
    assert history[-1]["loss"] < history[0]["loss"] - 0.5
    assert abs(before - encoder.encode(texts[:2], dtype="float32")).max() > 0.01


def test_figures_are_those_of_all_places(encoder, texts):
    task = MaskedLM(encoder, texts, share=0.5, bias=True)
    features = encoder.tokenize(texts)
    found = guesses(task, features, batch_size=64)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        payload = task.eval().payload(torch.arange(len(texts)))
        call = payload.arguments(task(payload.inputs))
    loss = task.objective()(**call)
    answers = call["queries"].columns["sample"]
    right = (call["queries"].z @ call["keys"].z.T).argmax(1) == answers
    assert found["masked loss"] == pytest.approx(float(loss), rel=1e-5)
    assert found["masked perplexity"] == pytest.approx(float(loss.exp()), rel=1e-4)
    assert found["masked accuracy"] == pytest.approx(float(right.float().mean()))
    assert found["masked floor"] == pytest.approx(float(answers.bincount().max() / len(answers)))
    # in pieces other masks are drawn, but the same texts are there
    assert guesses(task, features, batch_size=7)["masked loss"] == pytest.approx(float(loss), rel=0.05)


def test_a_batch_with_one_place_trains(encoder):
    task = MaskedLM(encoder, ["a", "b"], share=0.01)
    assert train(task, task, task.objective(), TrainConfig(batch_size=2, dtype="float32")).steps == 1
