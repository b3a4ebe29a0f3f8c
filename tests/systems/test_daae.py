"""DAAE: texts written again from codes of some of their words, which a critic cannot tell from noise."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.pretraining import AdversarialAutoencoder
from counterpoint.systems import get
from counterpoint.systems.sentences import daae
from counterpoint.testbeds import Made
from counterpoint.testbeds.neighbours import captions_alone, edits, neighbours, some_descriptions
from counterpoint.training import train
from systems.through import same
from systems.words import ALONE, small_table, steady_bert, step_of_texts


class Steady(AdversarialAutoencoder):
    """Without dropout."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, dropout=0.0, **options)


@pytest.fixture
def steady(monkeypatch):
    monkeypatch.setattr(daae, "AdversarialAutoencoder", Steady)


def step_of(method="daae", n=6):
    return step_of_texts(method, ALONE, make=steady_bert, n=n)


def loss_of(step):
    """Text by text and word by word; the critic learns what the codes do not, and the other way round."""
    task, inputs = step.network[0], step.payload.inputs
    bert, table = task.encoder.model, task.encoder.model.get_input_embeddings().weight
    (layer,) = task.encoder.heads
    cell, losses = task.decoder, []
    read = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    for ids, whole, (eps, drawn) in zip(read, inputs["whole"], inputs["noise"], strict=True):
        h = bert(input_ids=ids[None]).last_hidden_state[0].mean(0)
        code = layer.linear(h) + torch.exp(task.variance(h) / 2) * eps
        text, state, said = whole[whole >= 0], None, torch.zeros(())
        for before, after in pairwise(text):
            x = table[before] + task.told.weight @ code + task.told.bias
            out, state = cell(x[None, None], state)
            said = said + F.cross_entropy(table @ task.transform(out[0, 0]) + task.bias, after)

        def critic(z, fixed):
            (w1, b1), _, (w2, b2) = [(m.weight, m.bias) if hasattr(m, "weight") else None for m in task.critic]
            if fixed:
                w1, b1, w2, b2 = (p.detach() for p in (w1, b1, w2, b2))
            return torch.sigmoid(w2 @ (w1 @ z + b1).relu() + b2)[0]

        told = -10.0 * critic(code, fixed=True).log()
        told = told - (1 - critic(code.detach(), fixed=False)).log() - critic(drawn, fixed=False).log()
        losses.append(said + told)
    return torch.stack(losses).mean()


@pytest.mark.usefixtures("steady")
def test_loss_is_that_of_a_naive_loop_over_texts_codes_and_critic():
    step = step_of()
    inputs = step.payload.inputs
    # some words are left out
    assert len(inputs["input_ids"]) < int((inputs["whole"] >= 0).sum())
    same(step, loss_of(step), rtol=1e-3)
    learned = {name.split(".")[1] for name in step.gradient}
    assert {"encoder", "variance", "told", "decoder", "critic"} <= learned


@pytest.mark.usefixtures("steady")
def test_the_other_arm_leaves_nothing_out():
    step = step_of(daae.aae())
    assert len(step.payload.inputs["input_ids"]) == int((step.payload.inputs["whole"] >= 0).sum())
    same(step, loss_of(step), rtol=1e-3)


def test_the_paper_s_numbers_stand_in_the_recipe():
    (stage,) = get("daae").method().stages
    t = stage.train
    assert (t.learning_rate, t.betas, t.weight_decay, t.clip, t.batch_size) == (5e-4, (0.5, 0.999), 0.0, 0.0, 256)
    step = step_of(n=12)
    task, inputs = step.network[0], step.payload.inputs
    assert task.drop.p == 0.5
    ends = 2 * len(inputs["whole"])
    share = 1 - (len(inputs["input_ids"]) - ends) / (int((inputs["whole"] >= 0).sum()) - ends)
    assert 0.1 < share < 0.5


def test_a_vector_is_the_mean_of_the_code_and_of_any_length():
    step = step_of()
    encoder = step.network[0].encoder.eval()
    (layer,) = encoder.heads
    (ids,) = [encoder.tokenize(["a cat sleeps"])["input_ids"]]
    mean = layer.linear(encoder.model(input_ids=ids[None]).last_hidden_state[0].mean(0))
    found = torch.from_numpy(encoder.encode(["a cat sleeps"]))[0]
    torch.testing.assert_close(found, mean.detach(), rtol=1e-4, atol=1e-5)
    assert abs(float(found.norm()) - 1) > 1e-3


@pytest.mark.usefixtures("steady")
def test_with_the_adversary_the_critic_cannot_tell_codes_from_noise():
    (stage,), data, told = get("daae").method().stages, rows_of(ALONE), []
    for objective in (stage.objective, partial(AdversarialAutoencoder.objective, 0.0)):
        torch.manual_seed(0)
        task = stage.task(data, daae.coded(steady_bert(data)))
        config = replace(stage.train, steps=150, batch_size=8, learning_rate=2e-3, validations=1)
        train(task, task, objective(), replace(config, dtype="float32"))
        with torch.no_grad():
            code, noise = task(task.payload(torch.arange(len(task))).inputs)[:, 0, 1:3].sigmoid().unbind(1)
        told.append(float(noise.mean() - code.mean()))
    assert told[0] < 0.3 < 0.6 < told[1]


def distance(a, b):
    """Words of one list against all of the other's beginnings, by recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


def test_edits_are_those_of_a_recursion():
    texts = ["a b c", "", "b c d", "A", "c b a a", "a b c", "d"]
    wanted = [[distance(a.lower().split(), b.lower().split()) for b in texts] for a in texts]
    assert edits(texts).tolist() == wanted
    assert edits(["", ""]).tolist() == [[0, 0], [0, 0]]


class Given:
    def __init__(self, z):
        self.z = np.asarray(z, dtype=np.float32)

    def encode_items(self, items):
        return self.z[[int(text.split()[0]) for text in items.texts]]


def test_neighbours_are_those_of_a_loop():
    g = np.random.default_rng(0)
    texts = [" ".join([str(i), *g.choice(list("abc"), g.integers(1, 5))]) for i in range(24)]
    z = g.normal(size=(24, 3))
    data = Data.alone(Items("text", texts))
    distances, hits = edits(texts), []
    for i in range(24):
        others = [j for j in range(24) if j != i]
        tenth = sorted(distances[i, j] for j in others)[9]
        near = sorted(others, key=lambda j, i=i: np.linalg.norm(z[i] - z[j]))[:10]
        hits += [distances[i, j] <= tenth for j in near]
    assert 0.3 < np.mean(hits) < 1
    assert neighbours.of(Made("", Given(z), (data, data), 0)) == pytest.approx(np.mean(hits))


def test_what_is_for_test_is_not_trained_on():
    train, test = some_descriptions(0)
    assert (len(train), len(test)) == (2000, 300)
    assert not set(train.anchors.texts) & set(test.anchors[test.anchor].texts)


@pytest.mark.slow
def test_captions_for_test_are_one_of_each_picture():
    train, test = captions_alone(0)
    assert len(test) == 500
    assert len(test.columns["picture"].unique()) == 500
    assert not set(train.columns["picture"].tolist()) & set(test.columns["picture"].tolist())


def test_tables_are_refused():
    with pytest.raises(InputError, match="a layer after pooling needs a transformer"):
        step_of_texts("daae", ALONE, make=small_table, n=4)
