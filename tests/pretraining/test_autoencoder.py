from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.pretraining import MaskedAutoencoder, MaskedLM


def rows(task, n=5):
    """Of each text: its tokens as they were, which are chosen, and what the encoder is given of it."""
    torch.manual_seed(0)
    inputs = task.payload(torch.arange(n)).inputs
    originals = task._features["input_ids"].split(task._features["offsets"].diff().tolist())[:n]
    given = zip(*(inputs[k].split(inputs["offsets"].diff().tolist()) for k in ("input_ids", "position_ids")),
                strict=True)  # fmt: skip
    chosen = [torch.isin(torch.arange(len(ids)), at) for ids, at in zip(originals, inputs["at"], strict=True)]
    return inputs, list(zip(originals, chosen, given, strict=True))


def by_hand(task, ids, chosen):
    """Logits of the chosen tokens of one text, its encoder fed token by token as Hugging Face's model has it."""
    mask, read = task.encoder.tokenizer.mask_token_id, (~chosen).nonzero()[:, 0]
    if task._unseen:
        h = task.encoder.model(input_ids=ids[read][None], position_ids=read[None]).last_hidden_state[0]
    else:
        shown = torch.where(chosen, mask, ids)
        h = task.encoder.model(input_ids=shown[None]).last_hidden_state[0][read]
    table, states = task.encoder.model.get_input_embeddings().weight, iter(h)
    x = torch.stack([table[mask] if hide else next(states) for hide in chosen])
    x = task.before(x + task.position.weight[: len(x)])[None]
    for layer in task.decoder.layers:
        x = layer(x)
    return task.transform(x[0][chosen]) @ table.T + task.bias


@pytest.mark.parametrize("unseen", [True, False])
def test_the_loss_is_that_of_one_text_after_the_other(encoder, texts, unseen):
    task = MaskedAutoencoder(encoder, texts, share=0.3, unseen=unseen, layers=2)
    torch.manual_seed(0)
    payload = task.payload(torch.arange(5))
    loss = task.objective()(**payload.arguments(task(payload.inputs)))
    _, found = rows(task)
    logits = torch.cat([by_hand(task, ids, chosen) for ids, chosen, _ in found])
    wanted = F.cross_entropy(logits, torch.cat([ids[chosen] for ids, chosen, _ in found]))
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    weights = dict(task.named_parameters())
    one, other = (torch.autograd.grad(value, list(weights.values()), allow_unused=True) for value in (loss, wanted))
    for name, a, b in zip(weights, one, other, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6, msg=name)


def test_the_encoder_is_given_what_is_not_chosen_at_its_place(encoder, texts):
    task = MaskedAutoencoder(encoder, texts, share=0.3)
    _, found = rows(task)
    for ids, chosen, (given, where) in found:
        assert torch.equal(given, ids[~chosen])
        assert where.tolist() == (~chosen).nonzero()[:, 0].tolist()
        assert chosen.any()
    special = torch.tensor(encoder.tokenizer.all_special_ids)
    assert not any(torch.isin(ids[chosen], special).any() for ids, chosen, _ in found)


def test_nothing_of_a_chosen_token_reaches_the_decoder(encoder, texts):
    task = MaskedAutoencoder(encoder, texts, share=0.3)
    inputs, found = rows(task)
    states = task(inputs)
    other = MaskedAutoencoder(encoder, {**task._features, "input_ids": task._features["input_ids"].clone()}, share=0.3)
    other.load_state_dict(task.state_dict())
    start = 0
    for ids, chosen, _ in found:
        other._features["input_ids"][start : start + len(ids)][chosen] = 9
        start += len(ids)
    changed, _ = rows(other)
    torch.testing.assert_close(other(changed), states)


def test_a_decoder_of_so_many_layers_drops_nothing(encoder, texts):
    task = MaskedAutoencoder(encoder, texts)
    assert len(task.decoder.layers) == 4
    assert all(part.p == 0 for part in task.decoder.modules() if isinstance(part, torch.nn.Dropout))


def test_a_tokenizer_without_special_tokens_is_refused(encoder, texts, monkeypatch):
    monkeypatch.setattr(encoder.tokenizer, "num_special_tokens_to_add", lambda: 0)
    with pytest.raises(InputError, match="nothing may be left"):
        MaskedAutoencoder(encoder, texts)


def test_a_masked_lm_may_show_nothing_but_mask_tokens(encoder, texts):
    task = MaskedLM(encoder, texts, share=0.3, always=True)
    torch.manual_seed(0)
    inputs = task.payload(torch.arange(8)).inputs
    at, offsets = inputs["at"], inputs["offsets"]
    shown = inputs["input_ids"][(offsets[:-1, None] + at)[at >= 0]]
    assert (shown == encoder.tokenizer.mask_token_id).all()
    assert (inputs["input_ids"] == encoder.tokenizer.mask_token_id).sum() == len(shown)
