"""DiffCSE: InfoNCE behind BatchNorm, and a second encoder that tells replaced tokens by the vector."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.sentences import diffcse
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, contrast, small_bert, steady_bert, step_of_texts

LONG = [replace(e, anchor=f"{e.anchor} in the deep dark wood {'very ' * i}near") for i, e in enumerate(ALONE)]


@pytest.fixture(autouse=True)
def _heavier(monkeypatch):
    """So that the second term is seen."""
    monkeypatch.setattr(diffcse, "WEIGHT", 0.5)


def step_on(method="diffcse", make=steady_bert, steps=2):
    """After the first step the second encoder is another one."""
    return step_of_texts(method, LONG, make=make, n=12, steps=steps)


def edits(step):
    """What the step before training makes of the texts, in the order of the batch."""
    data, order = rows_of(LONG), step.calls[0]["queries"].columns["sample"][:12]
    (fill,) = get("diffcse").method().stages[0].prepare
    columns = fill(data, steady_bert(data), 0).columns
    return columns["tokens"][order], columns["filled"][order]


def detection(step):
    """Of every token of every edited text by itself, the vector in the first place of the embeddings."""
    tokens, filled = edits(step)
    bert, layer, losses = step.procedure.encoder.model, step.procedure.replaced, []
    for view, side in enumerate(step.z()):
        for h, was, now in zip(side, tokens, filled[:, view], strict=True):
            was, now = was[was >= 0], now[now >= 0]
            embedded = bert.embeddings(now[None])[0]
            state = bert.encoder(torch.cat([h[None], embedded[1:]])[None]).last_hidden_state[0]
            scores = state @ layer.weight.T + layer.bias
            losses += [-F.log_softmax(s, 0)[int(a != b)] for s, a, b in zip(scores, was, now, strict=True)]
    return torch.stack(losses).mean()


def test_loss_is_that_of_a_naive_loop_over_texts_and_edited_tokens():
    step = step_on()
    assert not torch.equal(step.procedure.encoder.model.embeddings.word_embeddings.weight,
                           step.network[0].model.embeddings.word_embeddings.weight)  # fmt: skip
    same(step, contrast(*step.z()) + 0.5 * detection(step), rtol=1e-3)
    # the vector alone is the way by which the second term reaches the encoder
    slope = torch.autograd.grad(detection(step), list(step.network[0].parameters()), allow_unused=True)
    assert max(float(g.norm()) for g in slope if g is not None) > 1e-3


def test_the_second_encoder_begins_as_the_first_and_learns():
    first, later = step_on(steps=1), step_on(steps=2)
    (copied, layer), (learned, moved) = ((s.procedure.encoder, s.procedure.replaced) for s in (first, later))
    for (name, a), b in zip(first.network[0].named_parameters(), copied.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert not torch.equal(copied.model.embeddings.word_embeddings.weight,
                           learned.model.embeddings.word_embeddings.weight)  # fmt: skip
    assert not torch.equal(layer.weight, moved.weight)


def test_views_have_edits_of_their_own_and_labels_say_which_tokens_changed():
    step = step_on(steps=1)
    tokens, filled = edits(step)
    assert not torch.equal(filled[:, 0], filled[:, 1])
    answer, term = (step.calls[0]["queries"].columns[name] for name in ("answer", "term"))
    there = tokens >= 0
    wanted = torch.cat([(filled[:, view] != tokens)[there] for view in range(2)])
    assert torch.equal(answer[term == 1], wanted.long())
    assert 0.05 < float(wanted.float().mean()) < 0.3


def test_arms_leave_out_what_they_say():
    step = step_on(diffcse.alone())
    same(step, contrast(*step.z()), rtol=1e-3)
    assert step.procedure is None
    step = step_on(diffcse.other_head())
    same(step, contrast(*step.z()) + 0.5 * detection(step), rtol=1e-3)
    assert step.layers() == ["Linear", "Tanh"]
    makes = (get("diffcse").method, diffcse.alone, diffcse.other_head)
    assert len({Trained(make).key for make in makes}) == 3


def test_the_paper_s_numbers_stand_in_the_recipe(monkeypatch):
    monkeypatch.undo()
    stage = get("diffcse").method().stages[0]
    objective = stage.objective()
    assert (objective.weights, objective.objectives[0].objective.temperature) == ((1.0, 0.005), 0.05)
    assert (stage.train.epochs, stage.train.batch_size, stage.train.learning_rate, diffcse.SHARE) == (2, 64, 7e-6, 0.3)
    layers = list(stage.head(8))
    assert [type(layer) for layer in layers] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    assert (layers[0].out_features, layers[1].affine, layers[4].affine) == (16, True, False)
    assert step_on(make=small_bert, steps=1).network[0].pooling == "cls"
