"""A cross-encoder's word on what is found: which is a negative, and which answers a question that has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data.hashing import input_hash
from counterpoint.data.items import Items
from counterpoint.errors import InputError
from counterpoint.negatives import by_encoder, denoising
from counterpoint.negatives.denoising import denoised, pseudo_labelled
from systems.vectors import known_rows


def said(query, document):
    """A probability that follows from both, below 0.92."""
    return input_hash(query + document) % 100 / 108


def judge(queries, documents):
    return np.array([said(q, d) for q, d in zip(queries, documents, strict=True)])


def half(data):
    positives = data.positives.clone()
    positives[::2] = -1
    return replace(data, positives=positives)


def ranked(data, encoder, i):
    scores = encoder.sides["document"] @ encoder.sides["query"][i]
    return [int(k) for k in np.argsort(-scores)[:50]]


def test_what_has_less_is_a_negative_and_the_likeliest_that_has_more_a_positive(monkeypatch):
    asked = []

    def known(data, seed, *, steps):
        asked.append((data, seed, steps))
        return judge

    monkeypatch.setattr(denoising, "relevance", known)
    whole, encoder = known_rows(40, 90)
    data = half(whole)
    found = denoised(2, low=0.2, steps=7)(data, encoder, 5)
    ((learned, seed, steps),) = asked
    assert (seed, steps) == (5, 7)
    # it learns of what is labelled, from four of the first 50 a row
    assert learned.anchor.tolist() == list(range(1, 40, 2))
    for i, drawn in zip(learned.anchor.tolist(), learned.negatives.tolist(), strict=True):
        assert len(set(drawn)) == 4
        assert set(drawn) <= set(ranked(data, encoder, i)) - {i}
    mine = {}
    for i in range(40):
        answer = i
        if i % 2 == 0:
            likely = [
                (said(f"query {i}", f"document {k}"), -place, k) for place, k in enumerate(ranked(data, encoder, i))
            ]
            best, _, answer = max(likely)
            if best <= 0.9:
                continue
        low = [k for k in ranked(data, encoder, i) if k != answer and said(f"query {i}", f"document {k}") < 0.2]
        mine[i] = (answer, [*low, -1, -1][:2])
    rows = zip(found.anchor.tolist(), found.positives[:, 0].tolist(), found.negatives.tolist(), strict=True)
    assert {i: (answer, low) for i, answer, low in rows} == mine
    assert 20 < len(mine) < 40
    # those that were labelled come first, in their order
    assert found.anchor.tolist()[:20] == list(range(1, 40, 2))


def test_nobody_is_asked_where_all_is_labelled():
    data, encoder = known_rows(10, 20)
    none = data[torch.zeros(10, dtype=torch.bool)]
    assert len(pseudo_labelled(none, by_encoder(encoder, data), judge)) == 0


def test_a_cross_encoder_gives_probabilities():
    colours = ("red", "blue", "pink", "grey", "green", "brown")
    data, _ = known_rows(6, 7)
    texts = (
        Items("text", [f"the {c} one" for c in colours]),
        Items("text", [f"{c} here" for c in colours] + ["nothing"]),
    )
    negatives = torch.tensor([[6, (i + 1) % 6] for i in range(6)])
    data = replace(data, anchors=texts[0], others=texts[1], negatives=negatives)
    likely = denoising.relevance(data, steps=20)
    right = likely(list(texts[0].texts), list(texts[1].texts[:6]))
    wrong = likely(list(texts[0].texts), ["nothing"] * 6)
    assert right.min() > 0.5 > wrong.max() > 0
    assert likely([], []).shape == (0,)


def test_refusals():
    data, encoder = known_rows(4, 6)
    with pytest.raises(InputError, match="no row has a positive"):
        denoised()(replace(data, positives=torch.full((4, 1), -1)), encoder, 0)
    with pytest.raises(InputError, match=r"bounds of 0\.9 and 0\.1"):
        denoised(low=0.9, high=0.1)
    with pytest.raises(InputError, match="are of pairs"):
        denoised()(replace(data, others=None, positives=None), encoder, 0)
