"""SimCSE: dropout is the view (equation 1), contradictions are shared negatives (equation 5), [CLS], and the MLP."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from counterpoint.data.rows import rows_of
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences.simcse import entailments, judged, no_dropout, word_deletion
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, TUPLES, contrast, small_bert, steady_bert, step_of_texts, texts


def step_on(method, examples, make=small_bert):
    return step_of_texts(method, examples, make=make)


def sides(step):
    (call,) = step.calls
    return call["queries"].z.detach(), call["keys"].z.detach()


def test_two_encodings_of_a_text_differ_by_dropout_only():
    step = step_on("simcse", ALONE)
    tokens = step.payload.inputs["input_ids"]
    assert torch.equal(*tokens.chunk(2))
    h, other = sides(step)
    assert not torch.isclose(h, other).all(1).any()
    assert len(h) == len(other) == 8
    for quiet in (step_on(no_dropout(), ALONE), step_on("simcse", ALONE, make=steady_bert)):
        torch.testing.assert_close(*sides(quiet))


def test_loss_is_equation_1_of_a_naive_loop():
    step = step_on("simcse", ALONE, make=steady_bert)
    z = step.network(step.payload.inputs)
    assert len(z) == 16
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)


def test_the_first_token_is_taken_and_the_mlp_is_in_training_only():
    step = step_on("simcse", ALONE)
    encoder, head = step.network
    assert encoder.pooling == "cls"
    assert not len(encoder.heads)
    assert [type(layer).__name__ for layer in head] == ["Linear", "Tanh"]
    assert "1.0.weight" in step.gradient


def test_supervised_loss_is_equation_5_over_2n_columns():
    step = step_on("SimCSE supervised", TUPLES, make=steady_bert)
    z = step.network(step.payload.inputs)
    assert len(z) == 24
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)
    (call,) = step.calls
    assert call["keys"].columns["sample"][8:].tolist() == [-1] * 8


def test_supervised_the_mlp_over_the_first_token_is_kept_at_test(tmp_path):
    from counterpoint.encoders import load

    data = rows_of(TUPLES)
    encoder, _ = get("SimCSE supervised").method().changed(steps=1, batch_size=8).make(data, encoder=small_bert(data))
    assert encoder.pooling == "cls"
    (layer,) = encoder.heads
    assert isinstance(layer.activation, nn.Tanh)
    bare = encoder._hidden(features := encoder.eval().tokenize(["a cat"]))[features["offsets"][0]]
    wanted = torch.tanh(layer.linear(bare)).detach().numpy()
    assert encoder.encode(["a cat"], dtype="float32")[0] == pytest.approx(wanted, abs=1e-5)
    encoder.save(tmp_path / "model")
    assert load(tmp_path / "model").encode(["a cat"], dtype="float32")[0] == pytest.approx(wanted, abs=1e-5)
    step = step_on("SimCSE supervised", TUPLES)
    assert step.layers() == ["Identity"]
    assert "0.heads.0.linear.weight" in step.gradient
    with pytest.raises(InputError, match="needs a transformer"):
        get("SimCSE supervised").method().make(data, encoder=StaticEncoder.from_corpus(texts(data), dim=4))


def test_entailments_alone_have_n_columns():
    step = step_on(entailments(), TUPLES, make=steady_bert)
    z = step.network(step.payload.inputs)
    assert len(z) == 16
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)


def test_deleting_words_changes_one_view():
    long = [ALONE[i].__class__(e.anchor + " in the deep dark wood near the river") for i, e in enumerate(ALONE)]
    step = step_on(word_deletion(), long, make=steady_bert)
    lengths = step.payload.inputs["offsets"].diff()
    first, second = lengths.chunk(2)
    assert (second < first).all()
    same(step, contrast(*step.z()), rtol=1e-3)


def test_arms_have_keys_of_their_own_and_the_oracle_takes_scores():
    keys = {Trained(make).key for make in (get("simcse").method, no_dropout, word_deletion, entailments, judged)}
    assert len(keys) == 5
    assert judged().takes.schemas == ("scored",)
