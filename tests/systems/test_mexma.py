"""MEXMA: masked tokens by the other language's vector, squared distances of vectors, and KoLeo."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.errors import InputError
from counterpoint.systems import get
from counterpoint.systems.sentences import mexma
from systems.through import same
from systems.words import PAIRS, TUPLES, small_table, steady_bert, step_of_texts


def step_of(method=None, examples=PAIRS, *, make=steady_bert, n=6):
    """Of one batch."""
    return step_of_texts((method or get("mexma").method()).changed(accumulate=1), examples, make=make, n=n)


def texts(side) -> list[torch.Tensor]:
    return list(side["input_ids"].split(side["offsets"].diff().tolist()))


def asked(side, i) -> list[tuple[int, int]]:
    """Place and token of what is masked in a text."""
    return [(p, t) for p, t in zip(side["at"][i].tolist(), side["target"][i].tolist(), strict=True) if p >= 0]


def states(task, ids) -> torch.Tensor:
    return task.encoder.model(input_ids=ids[None]).last_hidden_state[0]


def vectors(task, side) -> list[torch.Tensor]:
    """The mean state of each text as it was."""
    found = []
    for i, ids in enumerate(texts(side)):
        whole = ids.clone()
        for place, token in asked(side, i):
            whole[place] = token
        found.append(states(task, whole).mean(0))
    return found


def guessing(task, side, others, *, stopped=False) -> torch.Tensor:
    table, losses = task.encoder.model.get_input_embeddings().weight, []
    for i, ids in enumerate(texts(side)):
        h = states(task, ids)[1:]
        x = torch.cat([others[i][None], h.detach() if stopped else h])
        for layer in task.head.layers:
            x = layer(x[None])[0]
        losses += [
            F.cross_entropy(table @ x[place] + task.bias, torch.tensor(token)) for place, token in asked(side, i)
        ]
    return torch.stack(losses).mean()


def lonely(c) -> torch.Tensor:
    u = [z / z.norm() for z in c]
    scores = torch.stack(u).detach() @ torch.stack(u).detach().T
    near = [max((j for j in range(len(u)) if j != i), key=lambda j, i=i: float(scores[i, j])) for i in range(len(u))]
    return -torch.stack([((z - u[j] + 1e-8).norm() + 1e-8).log() for z, j in zip(u, near, strict=True)]).mean()


def aligned(a, b) -> torch.Tensor:
    return torch.stack([(x - y).square().mean() for x, y in zip(a, b, strict=True)]).mean()


def loss_of(step, *, tokens=1.0, stopped=False) -> torch.Tensor:
    task, (first, second) = step.network[0], step.payload.inputs
    a, b = vectors(task, first), vectors(task, second)
    guessed = (guessing(task, first, b, stopped=stopped) + guessing(task, second, a, stopped=stopped)) / 2
    return tokens * guessed + aligned(a, b) + 0.01 * (lonely(a) + lonely(b)) / 2


def test_loss_is_that_of_a_naive_loop_over_masked_tokens_and_vectors():
    step = step_of()
    same(step, loss_of(step), rtol=1e-3)
    task = step.network[0]
    assert (len(task.head.layers), task.head.layers[0].self_attn.num_heads) == (6, 8)
    assert "0.encoder.model.embeddings.word_embeddings.weight" in step.gradient


@pytest.mark.parametrize(
    ("make", "options"), [(mexma.sentence_level, {"tokens": 0}), (mexma.without_tokens, {"stopped": True})]
)
def test_baselines_have_no_tokens_or_no_gradient_through_them(make, options):
    step = step_of(make(), n=4)
    same(step, loss_of(step, **options), rtol=1e-3)
    with pytest.raises(AssertionError):
        same(step, loss_of(step), rtol=1e-3)


def test_each_sentence_is_guessed_by_its_own_translation():
    step = step_of(n=12)
    task, (first, second) = step.network[0], step.payload.inputs
    read = task.encoder.tokenizer
    kinds = []
    for side in (first, second):
        whole = []
        for i, ids in enumerate(texts(side)):
            for place, token in asked(side, i):
                ids[place] = token
            whole.append(read.decode(ids, skip_special_tokens=True).split())
        kinds.append(whole)
    assert [said[1] for said in kinds[0]] == [said[1] for said in kinds[1]]
    share = sum(int((side["at"] >= 0).sum()) for side in (first, second))
    every = sum(len(side["input_ids"]) - 2 * 12 for side in (first, second))
    assert 0.25 < share / every < 0.55


def test_hard_negatives_are_no_translations_and_tables_are_refused():
    step = step_of(None, TUPLES, n=4)
    assert len(step.payload.inputs[1]["offsets"]) == 5
    with pytest.raises(InputError, match="guessed by a transformer"):
        step_of(make=small_table)
