"""ConSERT: which view is on which side, NT-Xent both ways, the mean of states and no dropout."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from counterpoint.systems import get
from counterpoint.systems.sentences import consert
from systems.through import same
from systems.words import ALONE, small_bert, step_of_texts

LONG = [replace(e, anchor=e.anchor + " in the deep dark wood near the river") for e in ALONE]


def both_ways(first, second):
    """0.15 times the sum of both sides' cross-entropy against the other side and the rest of their own."""
    total, n = torch.zeros(()), len(first)
    for a, b in ((first, second), (second, first)):
        for i in range(n):
            others = [*b, *(a[j] for j in range(n) if j != i)]
            s = torch.stack([F.cosine_similarity(a[i], k, dim=0) / 0.1 for k in others])
            total = total + (torch.logsumexp(s, 0) - s[i]) / n
    return 0.15 * total


def test_loss_is_that_of_a_naive_loop_over_both_views():
    # its base drops a tenth: that the loop has the same vectors shows that nothing is dropped
    step = step_of_texts("consert", LONG, make=small_bert, n=8)
    same(step, both_ways(*step.z()), rtol=1e-3)
    assert step.layers() == ["Identity"]
    assert step.network[0].pooling == "mean"


def test_features_are_cut_on_the_first_side_and_places_are_mixed_on_the_second():
    step = step_of_texts("consert", LONG, n=8)
    inputs = step.payload.inputs
    tokens = len(inputs["input_ids"]) // 2
    scale, places = inputs["scale"], inputs["position_ids"]
    cut = (scale[:tokens] == 0).float().mean(1)
    assert torch.allclose(cut, torch.full_like(cut, 0.2), atol=0.05)
    assert (scale[tokens:] == 1).all()
    offsets = inputs["offsets"]
    for i in range(16):
        own = places[offsets[i] : offsets[i + 1]]
        assert sorted(own.tolist()) == list(range(len(own)))
    mixed = [not torch.equal(own := places[offsets[i] : offsets[i + 1]], torch.arange(len(own))) for i in range(16)]
    assert not any(mixed[:8])
    assert sum(mixed[8:]) >= 7


def test_without_views_both_sides_are_the_same():
    step = step_of_texts(consert.unchanged(), LONG, n=8)
    (call,) = step.calls
    assert torch.allclose(call["queries"].z, call["keys"].z, atol=1e-5)


def test_a_pooling_of_another_kind_becomes_the_mean():
    step = step_of_texts(get("consert").method(), LONG, n=8, make=lambda data: small_bert(data, pooling="cls"))
    assert step.network[0].pooling == "mean"
