"""StyleDistance: each triplet by itself, its negative in another style."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.sentences import styledistance
from counterpoint.testbeds.styles import NEW
from counterpoint.views.styles import STYLES
from encoders.test_adapting import llama
from systems.through import same
from systems.words import KINDS, small_bert, steady_bert, step_of_texts

TEXTS = Data.alone(Items("text", [f"A {kind} sleeps at night under tree {100 + i}." for i, kind in enumerate(KINDS)]))


def test_loss_is_that_of_a_naive_loop_over_triplets():
    step = step_of_texts("styledistance", TEXTS, make=steady_bert, n=6)
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    assert len(z) == 18
    total, active = torch.zeros(()), 0
    for i in range(6):
        a, p, n = z[i], z[6 + i], z[12 + i]
        error = (a - p).square().sum() - (a - n).square().sum() + 0.1
        active += int(error > 0)
        total = total + error.clamp_min(0) / 6
    assert active
    same(step, total, rtol=1e-3)


def test_a_model_that_knows_no_dropout_gets_some():
    encoder = get("styledistance").method().adapt(llama()).train()
    inputs = encoder.tokenize(TEXTS.anchors.texts)
    assert not torch.equal(encoder(inputs), encoder(inputs))
    assert encoder.pooling == "mean"


def test_negatives_say_what_the_anchor_or_the_positive_says():
    step = step_of_texts("styledistance", TEXTS, make=small_bert, n=6)
    (prepare,) = get("styledistance").method().stages[0].prepare
    found = prepare(TEXTS, nn.Identity(), 0)
    others = found.others.texts
    for row in range(len(found)):
        # a number is the same in every style
        anchor, negative = (
            re.search("1[0-9][0-9]", text)[0] for text in (found.anchors.texts[row], others[2 * row + 1])
        )
        assert (anchor == negative) == bool(found.columns["of_anchor"][row])
    assert 0.3 < found.columns["of_anchor"].float().mean() < 0.7
    assert len(step.payload.inputs["offsets"]) - 1 == 18


def test_with_the_mechanism_off_negatives_say_something_else():
    first, second = styledistance.any_content().stages[0].prepare
    before = first(TEXTS, nn.Identity(), 0)
    after = second(before, nn.Identity(), 0)
    assert (before.negatives != after.negatives).float().mean() > 0.8
    assert sorted(before.negatives[:, 0].tolist()) == sorted(after.negatives[:, 0].tolist())
    assert torch.equal(before.positives, after.positives)


def test_some_styles_are_held_out():
    (prepare,) = styledistance.of_some().stages[0].prepare
    seen = {list(STYLES)[i] for i in prepare(TEXTS, nn.Identity(), 0).columns["style"].tolist()}
    assert not seen & set(NEW)
    assert len(seen) > 8
