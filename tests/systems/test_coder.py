"""CODER++: every pair of terms of a batch, of which those are looked at that are hard; groups follow the model."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import torch
import torch.nn.functional as F

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.retrieval.coder import any_terms, never
from systems.through import same
from systems.vectors import watched
from systems.words import KINDS, small_bert, small_table, step_of_texts

NAME = "coder"
TERMS = [f"{what} {kind}" for kind in KINDS for what in ("a", "the small", "one more", "some very old")]


def labelled() -> Data:
    return Data.alone(Items("text", TERMS), label=torch.arange(len(TERMS)) // 4)


def naive(step, label: list[int]) -> torch.Tensor:
    """Multi-similarity of every term that has a pair left, one pair at a time."""
    z = F.normalize(step.network(step.payload.inputs), dim=1)
    cosine, losses = z @ z.T, []
    plain = cosine.detach()
    (call,) = step.calls
    read = call["queries"].columns["input"].tolist()
    for i in range(len(z)):
        alike = [j for j in range(len(z)) if j != i and label[j] == label[i]]
        other = [j for j in range(len(z)) if label[j] != label[i] and read[j] != read[i]]
        if not alike or not other:
            continue
        hardest = max(float(plain[i, j]) for j in other)
        furthest = min(float(plain[i, j]) for j in alike)
        alike = [j for j in alike if float(plain[i, j]) - 0.1 < hardest]
        other = [j for j in other if float(plain[i, j]) + 0.1 > furthest]
        if alike and other:
            pull = sum((-2 * (cosine[i, j] - 0.5)).exp() for j in alike)
            push = sum((50 * (cosine[i, j] - 0.5)).exp() for j in other)
            losses.append(torch.log1p(pull) / 2 + torch.log1p(push) / 50)
    assert len(losses) > 20
    return torch.stack(losses).mean()


def by_text(step) -> list[int]:
    """The concept of each term of the batch, read from what the encoder was given."""
    of = {int(h): i // 4 for i, h in enumerate(labelled().anchors.hashes().tolist())}
    return [of[read] for read in step.calls[0]["queries"].columns["input"].tolist()]


def test_loss_is_that_of_a_naive_loop_over_all_pairs_of_terms():
    whole = get(NAME).method()
    first = replace(whole, stages=whole.stages[:1])
    for method in (whole, first, never(), any_terms()):
        # a gradient of one batch alone
        step = step_of_texts(method.changed(accumulate=1), labelled(), n=4, steps=12)
        (call,) = step.calls
        assert call["keys"] is None
        label = by_text(step)
        assert call["queries"].columns["label"].tolist() == label
        same(step, naive(step, label), rtol=1e-3)


def test_a_group_is_a_term_its_synonyms_and_thirty_near_ones():
    asked = []
    step = step_of_texts(watched(get(NAME).method(), asked), labelled(), n=4, steps=12)
    found = asked[-1][2]
    assert found.positives.shape[1] == 3
    assert int((found.negatives >= 0).sum(1).min()) == 30
    (call,) = step.calls
    assert len(call["queries"]) == 4 * (1 + 3 + 30)


def test_near_terms_are_found_ten_times_by_the_model_of_then():
    asked = []
    data = labelled()
    step_of_texts(watched(get(NAME).method(), asked), data, n=4, steps=12)
    assert [i for i, *_ in asked] == [0] + [1] * 10
    for (_, before, _), (_, after, _) in pairwise(asked[1:]):
        assert not torch.equal(before[0], after[0]), "it has learned in between"
    mined = [found.negatives for *_, found in asked[1:]]
    assert len({tuple(ids.flatten().tolist()) for ids in mined}) > 5
    _, weights, found = asked[-1]
    encoder = small_table(data)
    with torch.no_grad():
        for p, value in zip(encoder.parameters(), weights, strict=True):
            p.copy_(value)
    z = F.normalize(torch.from_numpy(encoder.encode_items(found.anchors)), dim=1)
    cosine = z @ z.T
    for row in range(len(found)):
        own = {row, *found.positives[row].tolist()}
        order = [j for j in cosine[row].argsort(descending=True).tolist() if j not in own]
        worst = min(float(cosine[row, j]) for j in found.negatives[row].tolist())
        assert math.isclose(worst, float(cosine[row, order[29]]), abs_tol=1e-5)


def test_arms_find_once_or_draw_any():
    for method, times, near in ((never(), 1, True), (any_terms(), 10, False)):
        asked = []
        step_of_texts(watched(method, asked), labelled(), n=4, steps=12)
        assert [i for i, *_ in asked] == [0] + [1] * times
        found = asked[-1][2]
        full = bool((found.negatives >= 0).all())
        assert full == near, "what is drawn may be in the group already"


def test_a_transformer_gives_its_first_token():
    assert step_of_texts(NAME, labelled(), n=4, steps=12, make=small_bert).network[0].pooling == "cls"
