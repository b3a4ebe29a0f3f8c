"""cpt: neighbouring pieces in delimiters of their own, contrasted both ways at a learned temperature."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.encoders.templates import TemplateEncoder
from counterpoint.systems import get
from counterpoint.systems.retrieval import cpt
from systems.through import same
from systems.words import steady_bert, step_of_texts

# the delimiters are of the vocabulary; no word is in two documents, or twice in one
LONG = [Example("[ ] { } " + " ".join(f"{letter}{i}" for i in range(56))) for letter in "abcd"]


def step_of(method="cpt", **options):
    return step_of_texts(method, LONG, make=steady_bert, n=4, **options)


def shown(step):
    """The tokens of each text in its delimiters."""
    encoder, inputs = step.network[0], step.payload.inputs
    features = encoder.within(inputs)
    cuts = pairwise(features["offsets"].tolist())
    return [features["input_ids"][a:b] for a, b in cuts]


def test_loss_is_that_of_a_naive_loop_both_ways():
    step = step_of()
    encoder = step.network[0]
    mask, z = encoder.encoder.tokenizer.mask_token_id, []
    for ids in shown(step):
        states = encoder.encoder.model(input_ids=ids[None]).last_hidden_state[0]
        (place,) = (ids == mask).nonzero()[:, 0].tolist()
        z.append(F.normalize(states[place], dim=0))
    s = torch.stack([torch.stack([q @ d for d in z[4:]]) for q in z[:4]]) / 0.07
    own = torch.arange(4)
    same(step, (F.cross_entropy(s, own) + F.cross_entropy(s.T, own)) / 2, rtol=1e-3)
    s = step.z()[0] @ step.z()[1].T
    with pytest.raises(AssertionError):
        same(step, F.cross_entropy(s / 0.07, own), rtol=1e-3)
    assert any(p.requires_grad for p in step.objective.parameters())


def test_texts_stand_in_brackets_and_what_follows_in_braces():
    step = step_of()
    encoder = step.network[0]
    assert type(encoder) is TemplateEncoder
    tokens = [encoder.encoder.tokenizer.convert_ids_to_tokens(ids.tolist()) for ids in shown(step)]
    assert [(t[1], t[-3], t[-2]) for t in tokens] == [("[", "]", "[MASK]")] * 4 + [("{", "}", "[MASK]")] * 4
    assert encoder.training


def test_pieces_are_followed_by_the_next_of_their_document():
    data = rows_of([Example(" ".join(f"{k}{i}" for i in range(56))) for k in "ab"])
    pairs = cpt.follows(cpt.cut(data, torch.nn.Identity(), 0), torch.nn.Identity(), 0)
    firsts = pairs.anchors[pairs.anchor].texts
    seconds = pairs.others[pairs.positives[:, 0]].texts
    assert len(firsts) == 4  # three pieces a document
    for first, second in zip(firsts, seconds, strict=True):
        assert first.split()[-1][0] == second[0]
        assert int(second.split()[0][1:]) == int(first.split()[-1][1:]) + 1
        assert len(first.split()) <= 24
    other = cpt.shuffled(pairs, torch.nn.Identity(), 0)
    assert (other.positives != pairs.positives).all()
    assert sorted(other.positives.tolist()) == sorted(pairs.positives.tolist())


def test_the_arms_differ_in_what_is_near():
    stage = get("cpt").method().stages[0]
    assert cpt.by_chance().stages[0].prepare[:2] == stage.prepare
    assert cpt.by_chance().stages[0].prepare[2] is cpt.shuffled
    seen = step_of_texts(cpt.again(), LONG, make=steady_bert, n=4)
    ids = seen.payload.inputs["input_ids"].split(seen.payload.inputs["offsets"].diff().tolist())
    assert all(torch.equal(a, b) for a, b in zip(ids[:4], ids[4:], strict=True))
