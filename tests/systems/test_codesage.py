"""CodeSage: bodies without signature, and negatives of both kinds that count by a softmax of their scores."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.systems import get
from counterpoint.systems.retrieval.codesage import neither, unweighted, whole
from counterpoint.views import body_of
from systems.through import same
from systems.words import step_of_texts

NAMES = ("apple", "boat", "candle", "door", "engine", "feather", "garden", "hammer")
CODE = [
    Example(f"Count the {name}. More of it.", (f"def count_{name}(x):\n    n = x.{name} * {i}\n    return big(n)",))
    for i, name in enumerate(NAMES)
]


def naive(step, weighted):
    """Every text and code against its partner and all 14 others."""
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    assert len(z) == 16
    total = torch.zeros(())
    for i in range(16):
        own = (i + 8) % 16
        s = torch.stack([z[i] @ z[j] / 0.05 for j in range(16) if j not in (i, own)])
        positive = z[i] @ z[own] / 0.05
        weight = (s.detach().exp() / s.detach().exp().sum()) if weighted else torch.ones(14)
        total = total - (positive.exp() / (positive.exp() + (weight * s.exp()).sum())).log() / 16
    return total


def test_loss_is_that_of_a_naive_loop_over_both_kinds():
    step = step_of_texts("codesage", CODE)
    assert step.layers() == ["Identity"]
    same(step, naive(step, weighted=True), rtol=1e-3)


@pytest.mark.parametrize(("make", "weighted"), [(unweighted, False), (whole, True), (neither, False)])
def test_what_is_compared_is_weighted_or_not(make, weighted):
    step = step_of_texts(make(), CODE)
    same(step, naive(step, weighted), rtol=1e-3)


def said(step):
    inputs = step.payload.inputs
    ids = inputs["input_ids"].split(inputs["offsets"].diff().tolist())
    return [step.network[0].tokenizer.decode(one.tolist()) for one in ids]


@pytest.mark.parametrize("whole_functions", [False, True])
def test_texts_are_first_sentences_and_codes_have_no_signature_and_no_returns(whole_functions):
    data = rows_of(CODE)
    for step in (whole if whole_functions else get("codesage").method)().stages[0].prepare:
        data = step(data, torch.nn.Identity(), 0)
    assert list(data.anchors.texts) == [f"Count the {name}." for name in NAMES]
    bodies = [f"n = x.{name} * {i}" for i, name in enumerate(NAMES)]
    assert list(data.others.texts) == ([e.positives[0] for e in CODE] if whole_functions else bodies)


def test_what_is_prepared_reaches_the_encoder():
    every = said(step_of_texts("codesage", CODE))
    texts, codes = " ".join(every[:8]), " ".join(every[8:])
    assert "more" not in texts
    assert "def" not in codes
    assert "big" not in codes


def test_bodies():
    nested = "def f(x):\n    if x:\n        return 1\n    def g():\n        return 2\n    y = g()\n    return y"
    assert body_of(nested) == "if x:\n    pass\ndef g():\n    return 2\ny = g()"
    assert body_of("async def f(x):\n    for y in x:\n        await y\n    return x") == "for y in x:\n    await y"
    for stays in ("def f(x):\n    return x", "x = 1", "int f(int x) { return x; }", "a = 1\nb = 2"):
        assert body_of(stays) == stays
