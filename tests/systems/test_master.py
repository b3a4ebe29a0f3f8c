"""MASTER: three readings of each passage and five decoders, eight means in one sum."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data import Example
from counterpoint.pretraining import CoTMAE
from counterpoint.systems import get
from counterpoint.systems.retrieval import master
from systems.decoders import LONG, by_products, guessed, present, shown, step_of_stage
from systems.through import same
from systems.words import PAIRS


def naive(step):
    """Text by text, reading by reading: the mean of each kind of guesses."""
    task, inputs, (call,) = step.network[0], step.payload.inputs, step.calls
    known = call["queries"].columns
    answers = {i: known["sample"][known["term"] == i].tolist() for i in range(8)}
    losses, n = {i: [] for i in range(8)}, len(inputs["at"]) // 3
    for row, ids in enumerate(shown(step)):
        states = task.encoder.model(input_ids=ids[None]).last_hidden_state[0]
        reading = row // n
        for p in present(inputs["at"][row]):
            losses[reading].append(guessed(task, states[p], torch.tensor(answers[reading].pop(0))))
        for i, of in enumerate((0, 0, 0, 1, 2)):
            asked = present(inputs[f"asked {i}"][row])
            assert not asked or of == reading
            if asked:
                reads = torch.tensor(present(inputs[f"reads {i}"][row]))
                x = torch.cat([states[:1], task.encoder.model.embeddings(input_ids=reads[None])[0, 1:]])
                told = task.decoders[i](x[None])[0]
                losses[3 + i] += [guessed(task, told[p], torch.tensor(answers[3 + i].pop(0))) for p in asked]
    assert not any(answers.values())
    return [torch.stack(losses[i]).mean() for i in range(8)]


def test_loss_is_the_sum_of_eight_means_of_a_naive_loop():
    step = step_of_stage("MASTER", n=6)
    means = naive(step)
    assert all(mean.item() > 0.1 for mean in means)
    same(step, torch.stack(means).sum(), rtol=1e-3)
    means = naive(step)
    with pytest.raises(AssertionError):
        same(step, torch.stack(means[:-1]).sum(), rtol=1e-3)
    task = step.network[0]
    assert (task._share, task._hidden_share, task._whole_words) == (0.3, 0.5, True)
    assert [len(decoder.layers) for decoder in task.decoders] == [2] * 5
    assert task.encoder.pooling == "cls"


def test_each_decoder_has_its_own_text():
    examples = [Example(f"about {k}", (" ".join(f"{k}{i}" for i in range(16)),)) for k in "abcdefgh"]
    step = step_of_stage("MASTER", n=3, examples=examples)
    task, inputs, n = step.network[0], step.payload.inputs, 3
    lengths = inputs["offsets"].diff()
    assert lengths[:n].tolist() == lengths[2 * n :].tolist()
    hidden = [set(present(row)) for row in inputs["at"]]
    for i in range(n):
        whole, first = int(lengths[i]), int(lengths[n + i])
        assert len(present(inputs["reads 0"][i])) == len(present(inputs["reads 4"][2 * n + i])) == whole
        # both halves have both special tokens
        assert len(present(inputs["reads 3"][n + i])) == whole - first + 2
        assert first - 2 == (whole - 2) // 2
        # what the encoder has seen the last decoder is asked for, and nothing else
        apart = set(present(inputs["asked 4"][2 * n + i]))
        assert not apart & hidden[2 * n + i]
        assert apart | hidden[2 * n + i] == set(range(1, whole - 1))
    tokenizer, known = task.encoder.tokenizer, [task._others[0]["input_ids"], task._others[1]["input_ids"]]
    assert (known[0] == tokenizer.sep_token_id).sum() == 2 * len(task)  # two questions, with a separator after each


def test_what_follows_a_passage_is_the_next_of_its_document():
    from counterpoint.data.rows import rows_of

    follows = master.followed(rows_of(LONG))
    assert len(follows) == 2 * len(LONG)
    assert follows["a0 a1 a2 a3"] == "a4 a5 a6 a7"
    assert follows["a4 a5 a6 a7"] == "a0 a1 a2 a3"


def test_the_baselines_have_one_decoder_and_the_same_settings():
    first, second = get("MASTER").method().stages
    for make in (master.itself, master.of_context):
        assert type(step_of_stage(make()).network[0]) is CoTMAE
        assert (make().stages[0].train, make().stages[1]) == (first.train, second)


def test_fine_tuning_is_by_products():
    step = step_of_stage("MASTER", 1, examples=PAIRS)
    assert len(step.calls[0]["keys"]) == 8
    same(step, by_products(step, 4), rtol=1e-3)
