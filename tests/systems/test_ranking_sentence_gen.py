"""RankingSentenceGen: every text of a list ranks the list as a teacher does, moved by the list's order."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.generating import Generator, Rules
from counterpoint.points import Points
from counterpoint.procedures import OrderedLists
from counterpoint.systems import get
from counterpoint.systems.sentences import ranking_sentence_gen as module
from counterpoint.testbeds import Trained
from counterpoint.testbeds.rewritten import drifting
from systems.through import same
from systems.words import KINDS, PAIRS, small_bert, steady_bert, step_of_texts

ROWS = [
    replace(e, positives=(f"the {b} sleeps", f"number {i}", f"an {b} and a {c}", "all night, says it")[: 4 - i % 2])
    for i, (e, b, c) in enumerate(zip(PAIRS[:5], KINDS[4:], KINDS[6:], strict=False))
]


def step_on(method="RankingSentenceGen", make=steady_bert, **options):
    """A step on one of the lists."""
    return step_of_texts(method, ROWS, make=make, n=5, **options)


def known(step):
    """What its texts are, by the data: list and place of each."""
    columns = step.payload.arguments(torch.zeros(sum(step.payload.views), 1))["queries"].columns
    return columns["list"], columns["place"]


def likenesses(texts):
    """Cosines over 0.05 of what the encoder is before the stage."""
    z = small_bert(rows_of(ROWS), dropout=0.0).encode(list(texts), dtype="float32")
    z = F.normalize(torch.from_numpy(z), dim=1)
    return z @ z.T / 0.05


def moved(t, omega=0.5):
    """Loops over a list in order, both places counted from where the row begins."""
    change = torch.zeros_like(t)
    for i in range(len(t)):
        tail = sorted((float(x) for x in t[i, i:]), reverse=True)
        for j in range(i, len(t)):
            sign = -1 if tail.index(float(t[i, j])) < j - i else 1
            change[i, j] = change[j, i] = sign * math.log(omega * abs(float(t[i, j]) - tail[j - i]) + 1)
    return t + change


def listmle(z, target):
    """Of each row: the likelihood of its target's order."""
    total = torch.zeros(())
    for i in range(len(z)):
        s = [F.cosine_similarity(z[i], other, dim=0) / 0.05 for other in z]
        order = sorted(range(len(z)), key=lambda j: -float(target[i, j]))
        for place, j in enumerate(order):
            total = total + (torch.logsumexp(torch.stack([s[m] for m in order[place:]]), 0) - s[j]) / len(z)
    return total


def in_order(step):
    """The list that the step saw, in order: its vectors and its texts."""
    of, place = known(step)
    assert len(of.unique()) == 1
    texts = ROWS[int(of[0])].texts
    assert sorted(place.tolist()) == list(range(len(texts)))
    return step.network(step.payload.inputs)[place.argsort()], texts


def test_loss_is_that_of_a_naive_loop_over_one_list():
    step = step_on()
    z, texts = in_order(step)
    t = likenesses(texts)
    same(step, listmle(z, moved(t)), rtol=1e-3)
    (call,) = step.calls
    torch.testing.assert_close(call["guide"].owned, moved(t), rtol=1e-3, atol=1e-3)
    # a text is among those that it ranks
    assert call["owned"].z.shape[:2] == (len(texts), len(texts))
    assert not torch.equal(moved(t).argsort(1), t.argsort(1))


def test_the_teacher_is_the_encoder_as_it_was():
    step = step_on(steps=4)
    _, texts = in_order(step)
    torch.testing.assert_close(step.calls[0]["guide"].owned, moved(likenesses(texts)), rtol=1e-3, atol=1e-3)


def test_the_head_is_in_training_only_and_pooling_is_the_model_s():
    step = step_on(make=small_bert)
    assert step.layers() == ["Linear", "Tanh"]
    assert step.network[0].pooling == "mean"
    assert step.network[0].training


def test_arms_leave_out_what_they_say():
    step = step_on(module.teacher_alone())
    z, texts = in_order(step)
    same(step, listmle(z, likenesses(texts)), rtol=1e-3)
    places = known(step_on(module.out_of_order()))[1]
    assert not torch.equal(places, known(step)[1])
    makes = (get("RankingSentenceGen").method, module.teacher_alone, module.out_of_order)
    assert len({Trained(make).key for make in makes}) == 3


def test_rows_become_lists():
    data = rows_of(ROWS)
    found = module.as_lists(data[torch.tensor([3, 1, 2])], nn.Identity(), 0)
    assert found.schema == "items"
    texts = [found.anchors.texts[i] for i in found.anchor.tolist()]
    assert texts == [*ROWS[3].texts, *ROWS[1].texts, *ROWS[2].texts]
    assert found.columns["list"].tolist() == [0] * 4 + [1] * 4 + [2] * 5
    assert found.columns["place"].tolist() == [*range(4), *range(4), *range(5)]


def test_a_generator_writes_the_lists():
    asked = []

    def write(prompt, draw):
        asked.append(prompt)
        return f"{prompt.split(chr(10))[-1]} again"

    texts = Data.alone(Items("text", [e.anchor for e in PAIRS[:5]]))
    method = module.with_generator(Generator(Rules(write)), rounds=3)
    step = step_of_texts(method, texts, make=lambda _: steady_bert(rows_of(ROWS)), n=5)
    place = known(step)[1]
    assert sorted(place.tolist()) == [0, 1, 2, 3]
    assert len(asked) == 15
    assert asked[-1].endswith(f"{PAIRS[4].anchor} again again")
    assert method.takes.others is None


def test_two_lists_are_two_calls_whose_gradients_do_not_meet():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(5, 3, generator=generator, requires_grad=True)
    columns = {"list": torch.tensor([4, 7, 4, 7, 4]), "place": torch.tensor([2, 0, 0, 5, 1])}
    points = Points(z, columns, vector=torch.randn(5, 2, generator=generator))
    first, second = OrderedLists()([{"queries": points}], lambda model: {})
    assert torch.equal(first["queries"].z, z[[2, 4, 0]])
    assert torch.equal(second["owned"].z[1], z[[1, 3]])
    (gradient,) = torch.autograd.grad(first["owned"].z.sum() + first["queries"].z.sum(), z)
    assert gradient[[0, 2, 4]].all()
    assert not gradient[[1, 3]].any()
    with pytest.raises(InputError, match="'place'"):
        OrderedLists()([{"queries": Points(z, list=columns["list"], vector=z.detach())}], lambda model: {})
    with pytest.raises(InputError, match="the order weighs -1"):
        OrderedLists(-1)


def test_the_rule_leads_away_one_word_at_a_time():
    write, text, words = drifting(["owl eel bee"]), "a cat and a dog and a fox", []
    for _ in range(20):
        new = write(f"Rewrite.\n\n{text}", random.Random(0))
        old, now = text.split(), new.split()
        assert len(now) in (len(old), len(old) - 1)
        if len(now) == len(old):
            assert sum(a != b for a, b in zip(old, now, strict=True)) == 1
        else:
            assert any(old[:i] + old[i + 1 :] == now for i in range(len(old)))
        text = new
        words.append(len(now))
    assert words[-1] <= 3
    assert write(f"x\n\n{text}", random.Random(0)) == write(f"x\n\n{text}", random.Random(1))
