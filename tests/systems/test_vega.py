"""Vega v1: replaced tokens, then replaced tokens and SimCSE's contrast."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.pretraining import ReplacedTokens
from counterpoint.systems import get
from counterpoint.systems.sentences import vega
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts


@pytest.fixture(autouse=True)
def _steady(monkeypatch):
    """The generator drops nothing and says what it finds likeliest, of many tokens."""
    made = ReplacedTokens.__init__

    def init(self, *texts, **options):
        made(self, *texts, **{**options, "share": 0.4})
        for part in self.generator.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0

    monkeypatch.setattr(ReplacedTokens, "__init__", init)
    monkeypatch.setattr(torch, "multinomial", lambda p, _: p.argmax(1, keepdim=True))


def step_of_stage(i, *, make=steady_bert, n=6):
    method = get("vega-v1").method()
    return step_of_texts(replace(method, stages=method.stages[i : i + 1]), ALONE, make=make, n=n)


def detection(step) -> torch.Tensor:
    """ELECTRA's two means, text by text."""
    task, inputs = step.network[0], step.payload.inputs
    special, mask = task.encoder.tokenizer.all_special_ids, task.encoder.tokenizer.mask_token_id
    table, guessed, told = task.encoder.model.get_input_embeddings().weight, [], []
    for ids, at in zip(inputs["input_ids"].split(inputs["offsets"].diff().tolist()), inputs["at"], strict=True):
        at = [p for p in at.tolist() if p >= 0]
        masked = ids.clone()
        masked[at] = mask
        states = task.guess(task.generator.model(input_ids=masked[None]).last_hidden_state[0])
        seen = ids.clone()
        for p in at:
            logits = table @ states[p] + task.bias
            guessed.append(F.cross_entropy(logits, ids[p]))
            seen[p] = logits.argmax()
        u = task.transform(task.encoder.model(input_ids=seen[None]).last_hidden_state[0])
        for p, token in enumerate(ids.tolist()):
            if token not in special:
                score = task.replaced[:-1] @ u[p] + task.replaced[-1]
                told.append(F.binary_cross_entropy_with_logits(score, (seen[p] != token).float()))
    return torch.stack(guessed).mean() + 50 * torch.stack(told).mean()


def texts_of(step) -> list[torch.Tensor]:
    """The mean state of each text as it is."""
    task, inputs = step.network[0], step.payload.inputs
    rows = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    return [task.encoder.model(input_ids=ids[None]).last_hidden_state[0].mean(0) for ids in rows]


def test_loss_of_the_second_phase_is_that_of_a_naive_loop_over_tokens_and_texts():
    step = step_of_stage(1)
    z = texts_of(step)
    same(step, detection(step) + contrast(z, z), rtol=1e-3)
    z = texts_of(step)
    slope = torch.autograd.grad(contrast(z, z), list(step.network[0].encoder.parameters()), allow_unused=True)
    assert max(float(g.norm()) for g in slope if g is not None) > 1e-3
    with pytest.raises(AssertionError):
        same(step, detection(step), rtol=1e-3)


def test_loss_of_the_first_phase_is_electra_s():
    step = step_of_stage(0)
    same(step, detection(step), rtol=1e-3)
    assert len(vega.detection().stages) == 2
    assert all(stage.task is vega.detecting for stage in vega.detection().stages)
    assert len({Trained(make).key for make in (get("vega-v1").method, vega.detection)}) == 2


def test_both_vectors_of_a_text_differ_by_dropout_alone():
    def vectors(make):
        call = step_of_stage(1, make=make).calls[0]
        return [call[side].z[call[side].columns["term"] == 2] for side in ("queries", "keys")]

    first, second = vectors(steady_bert)
    torch.testing.assert_close(first, second)
    assert first.shape[0] == 6
    first, second = vectors(small_bert)
    near = F.cosine_similarity(first[:, None], second, dim=2)
    assert (near.diag() < 0.9999).all()


def test_chunks_give_the_whole_s_loss_and_gradient():
    method = get("vega-v1").method()
    method = replace(method, stages=method.stages[1:])
    whole, parts = (step_of_texts(method.changed(chunk_tokens=n), ALONE, make=steady_bert, n=6) for n in (1 << 20, 12))
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    for name, gradient in whole.gradient.items():
        torch.testing.assert_close(parts.gradient[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_the_numbers_stand_in_the_recipe():
    first, second = get("vega-v1").method().stages
    assert first.objective().weights == ReplacedTokens.weights == (1.0, 50.0)
    objective = second.objective()
    assert (objective.weights, objective.objectives[1].objective.temperature) == ((1.0, 1.0), 0.05)
