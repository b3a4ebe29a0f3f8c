"""SynCSE: triplets that a generator writes of each sentence, and SimCSE on them."""

from __future__ import annotations

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.generating import Generator, Rules
from counterpoint.generating.triplets import CONTRADICTED, ENTAILED
from counterpoint.systems import get
from counterpoint.systems.sentences import syncse
from counterpoint.testbeds import Trained
from systems.through import same
from systems.words import ALONE, TUPLES, contrast, steady_bert, step_of_texts

TEXTS = Data.alone(Items("text", [e.anchor for e in ALONE]))


def written(data):
    """Of each text what follows and what contradicts."""
    others = data.others.texts
    sides = (data.positives[:, 0].tolist(), data.negatives[:, 0].tolist())
    rows = zip(data.anchor.tolist(), *sides, strict=True)
    return {data.anchors.texts[a]: (others[p], others[n]) for a, p, n in rows}


def test_a_generator_writes_what_is_trained_on():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        text = prompt.rsplit("\n", 1)[-1]
        denied = any(prompt.startswith(p.split("\n")[0]) for p in CONTRADICTED)
        return f"no {text}" if denied else f"surely {text}"

    method = syncse.with_generator(Generator(Rules(write)))
    (prepare,) = method.stages[0].prepare
    assert written(prepare(TEXTS, nn.Identity(), 0)) == {
        text: (f"surely {text}", f"no {text}") for text in TEXTS.anchors.texts
    }
    # pools of prompts, another draw with another seed
    used = {prompt.split("\n")[0] for prompt in asked}
    assert used == {prompt.split("\n")[0] for prompt in (*ENTAILED, *CONTRADICTED)}
    before = list(asked)
    asked.clear()
    prepare(TEXTS, nn.Identity(), 1)
    assert asked != before
    step = step_of_texts(method, TEXTS, make=steady_bert, n=8)
    z = step.network(step.payload.inputs)
    assert len(z) == 24
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)


def test_loss_is_that_of_a_naive_loop_over_triplets():
    step = step_of_texts("SynCSE", TUPLES, make=steady_bert, n=8)
    z = step.network(step.payload.inputs)
    assert len(z) == 24
    same(step, contrast(z[:8], z[8:]), rtol=1e-3)
    # the MLP is kept at test
    assert step.network[0].pooling == "cls"
    assert "0.heads.0.linear.weight" in step.gradient
    method = get("SynCSE").method()
    assert method.takes.schemas == ("tuples",)
    assert (method.stages[0].train.batch_size, method.stages[0].train.epochs) == (512, 3)


def test_arms_leave_out_what_they_say():
    # a text of which nothing can be left out is not among them
    step = step_of_texts(syncse.entailments_alone(), TUPLES, make=steady_bert, n=6)
    z = step.network(step.payload.inputs)
    assert len(z) == 12
    same(step, contrast(z[:6], z[6:]), rtol=1e-3)
    step = step_of_texts(syncse.unlabelled(), TUPLES, make=steady_bert, n=8)
    assert torch.equal(*step.payload.inputs["input_ids"].chunk(2))
    same(step, contrast(*step.z()), rtol=1e-3)
    assert step.layers() == ["Linear", "Tanh"]
    makes = (get("SynCSE").method, syncse.unlabelled, syncse.by_rules, syncse.entailments_alone)
    assert len({Trained(make).key for make in makes}) == 4


def test_premises_are_there_once():
    data = rows_of([*TUPLES[:3], TUPLES[1]])
    found = syncse.premises(data, nn.Identity(), 0)
    assert found.schema == "items"
    assert [found.anchors.texts[i] for i in found.anchor.tolist()] == [e.anchor for e in TUPLES[:3]]


def test_rules_leave_words_out_or_deny():
    data = rows_of(TUPLES)
    for step in syncse.by_rules().stages[0].prepare:
        data = step(data, nn.Identity(), 0)
    found = written(data)
    assert found
    for text, (entailed, contradicted) in found.items():
        assert set(entailed.split()) < set(text.split())
        assert sorted(contradicted.split()) == sorted([*text.split(), "not"])
