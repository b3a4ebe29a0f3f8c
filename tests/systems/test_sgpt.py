"""SGPT: states weighted by their place, in the batch's softmax, and biases that learn."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.encoders import TransformerEncoder
from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.retrieval.sgpt import last_state, plain_mean
from systems.through import same
from systems.words import TUPLES, small_bert, step_of_texts


def by_place(states):
    total = sum((t + 1) * h for t, h in enumerate(states))
    return total / sum(range(1, len(states) + 1))


POOLED = {"sgpt": by_place, "plain mean": lambda states: sum(states) / len(states), "last": lambda states: states[-1]}
MADE = {"sgpt": lambda: get("sgpt").method(), "plain mean": plain_mean, "last": last_state}


def naive(step, pooled):
    """Each premise against all hypotheses of the batch, right and wrong, by 20 times the cosine."""
    encoder, inputs = step.network[0], step.payload.inputs
    z = []
    for a, b in pairwise(inputs["offsets"].tolist()):
        ids = inputs["input_ids"][a:b]
        z.append(F.normalize(pooled(encoder.model(input_ids=ids[None]).last_hidden_state[0]), dim=0))
    n = len(step.calls[0]["queries"])
    assert len(z) == 3 * n
    total = torch.zeros(())
    for i in range(n):
        scores = torch.stack([20 * z[i] @ key for key in z[n:]])
        total = total - scores.log_softmax(0)[i]
    return total / n


def small_llama(data):
    """Causal, and without biases, as the language models are that it is measured on."""
    from transformers import LlamaConfig, LlamaModel

    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    tokenizer = small_bert(data).tokenizer
    return TransformerEncoder(LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **size)), tokenizer)


def test_a_causal_model_without_biases_gets_them_and_they_alone_learn():
    step = step_of_texts("sgpt", TUPLES, make=small_llama, steps=2)
    same(step, naive(step, by_place), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, naive(step, POOLED["plain mean"]), rtol=1e-3)
    kinds = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    learned = {weight for weight, p in step.network[0].named_parameters() if p.requires_grad}
    assert {weight.split(".")[-2] for weight in learned} == set(kinds)
    assert len(learned) == 2 * len(kinds)
    assert {weight for weight in learned if weight.endswith("bias")} == learned
    assert step.gradient


@pytest.mark.parametrize("name", POOLED)
def test_loss_is_that_of_a_naive_loop_over_weighted_states_and_biases_alone_learn(name):
    # with a dropout of its own, which the method takes out
    step = step_of_texts(MADE[name](), TUPLES, make=small_bert, steps=2)
    same(step, naive(step, POOLED[name]), rtol=1e-3)
    assert step.gradient
    assert all(weight.endswith("bias") for weight in step.gradient)
    learned = {weight for weight, p in step.network[0].named_parameters() if p.requires_grad}
    assert learned == {weight for weight, _ in step.network[0].named_parameters() if weight.endswith("bias")}
    for other in POOLED.keys() - {name}:
        with pytest.raises(AssertionError):
            same(step, naive(step, POOLED[other]), rtol=1e-3)


def test_dropout_is_off():
    step = step_of_texts("sgpt", TUPLES, make=small_bert)
    assert step.network.training
    assert {part.p for part in step.network.modules() if isinstance(part, nn.Dropout)} == {0.0}


def test_settings_are_those_of_the_authors_command():
    (stage,) = get("sgpt").method().stages
    train = stage.train
    assert (train.batch_size, train.learning_rate, train.epochs) == (8 * 128, 32e-5, 1)
    assert (train.schedule, train.warmup) == ("linear", 0.1)


def test_a_table_of_token_vectors_is_refused():
    with pytest.raises(InputError, match="only a transformer"):
        step_of_texts("sgpt", TUPLES)
