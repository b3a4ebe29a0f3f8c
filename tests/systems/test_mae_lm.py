"""MAE-LM: the encoder reads texts without their masked tokens, and a decoder of four layers guesses those."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import mae_lm
from counterpoint.testbeds import Made
from counterpoint.testbeds.scratch import token_rank
from systems.through import same
from systems.words import ALONE, small_bert, small_table, steady_bert, step_of_texts


def step_of(method="mae-lm", *, make=steady_bert, n=6):
    return step_of_texts(method, ALONE, make=make, n=n)


def tokens_of(task) -> list[torch.Tensor]:
    """Those of each text, as the tokenizer makes them."""
    return [task.encoder.tokenize([e.anchor])["input_ids"] for e in ALONE[:12]]


def known(task, left, at) -> torch.Tensor:
    """The text of which so much is left."""
    for ids in tokens_of(task):
        if len(ids) == len(left) + len(at) and torch.equal(ids[rest(len(ids), at)], left):
            return ids
    raise AssertionError("no such text")


def rest(n, at) -> torch.Tensor:
    return torch.tensor([i for i in range(n) if i not in at])


def loss_of(step, *, seen=False) -> torch.Tensor:
    """Text by text: the encoder without the masked tokens, or with mask tokens in their places."""
    task, inputs = step.network[0], step.payload.inputs
    bert, mask = task.encoder.model, task.encoder.tokenizer.mask_token_id
    table, losses = bert.get_input_embeddings().weight, []
    for ids, at in zip(inputs["input_ids"].split(inputs["offsets"].diff().tolist()), inputs["at"], strict=True):
        at = [p for p in at.tolist() if p >= 0]
        places = rest(len(ids), at) if seen else rest(len(ids) + len(at), at)
        whole = known(task, ids[places] if seen else ids, at)
        read = bert(input_ids=ids[None]) if seen else bert(input_ids=ids[None], position_ids=places[None])
        x = table[mask].expand(len(whole), -1).clone()
        x[places] = read.last_hidden_state[0][places] if seen else read.last_hidden_state[0]
        x = task.before(x + task.position.weight[: len(whole)])[None]
        for layer in task.decoder.layers:
            x = layer(x)
        logits = task.transform(x[0]) @ table.T + task.bias
        losses += [F.cross_entropy(logits[p], whole[p]) for p in at]
    return torch.stack(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_texts_without_their_masked_tokens():
    step = step_of()
    same(step, loss_of(step), rtol=1e-3)
    task = step.network[0]
    assert len(task.decoder.layers) == 4
    assert not (step.payload.inputs["input_ids"] == task.encoder.tokenizer.mask_token_id).any()
    assert "0.encoder.model.embeddings.position_embeddings.weight" in step.gradient


def test_with_masks_the_encoder_sees_them_and_the_decoder_is_the_same():
    step = step_of(mae_lm.with_masks())
    mask = step.network[0].encoder.tokenizer.mask_token_id
    inputs = step.payload.inputs
    assert (inputs["input_ids"] == mask).sum() == (inputs["at"] >= 0).sum() > 0
    same(step, loss_of(step, seen=True), rtol=1e-3)


def test_the_masked_lm_asks_the_encoder_s_own_states_behind_nothing_but_masks():
    step = step_of(mae_lm.mlm())
    task, inputs = step.network[0], step.payload.inputs
    losses, table = [], task.encoder.model.get_input_embeddings().weight
    for ids, at in zip(inputs["input_ids"].split(inputs["offsets"].diff().tolist()), inputs["at"], strict=True):
        at = [p for p in at.tolist() if p >= 0]
        places = rest(len(ids), at)
        whole = next(w for w in tokens_of(task) if len(w) == len(ids) and torch.equal(w[places], ids[places]))
        assert (ids[at] == task.encoder.tokenizer.mask_token_id).all()
        states = task.transform(task.encoder.model(input_ids=ids[None]).last_hidden_state[0])
        losses += [F.cross_entropy(table @ states[p] + task.bias, whole[p]) for p in at]
    same(step, torch.stack(losses).mean(), rtol=1e-3)


def test_the_rank_is_of_real_tokens_alone():
    data = rows_of(ALONE)
    encoder = small_bert(data)
    found = token_rank.of(Made("", encoder, (data, data), 0))
    assert encoder.training
    rows = [encoder.tokenize([e.anchor])["input_ids"] for e in ALONE]
    states = [encoder.eval().model(input_ids=ids[None]).last_hidden_state[0][1:-1].detach() for ids in rows]
    s = torch.linalg.svdvals(torch.cat(states))
    p = s / s.sum()
    p = p[p > 1e-7]
    assert found == pytest.approx(float((-p * p.log()).sum().exp()), rel=1e-3)
    assert 1 < found < 16


def test_the_paper_s_numbers_stand_in_the_recipe():
    (stage,) = get("mae-lm").method().stages
    t = stage.train
    assert (t.learning_rate, t.weight_decay, t.betas, t.clip) == (2e-4, 0.01, (0.9, 0.98), 2.0)
    step = step_of(n=12)
    share = int((step.payload.inputs["at"] >= 0).sum()) / sum(len(ids) - 2 for ids in tokens_of(step.network[0]))
    assert 0.02 < share < 0.35


def test_tables_are_refused():
    with pytest.raises(InputError, match="guessed by a transformer"):
        step_of(make=small_table)
