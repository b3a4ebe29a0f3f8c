"""Triple-Encoders: the mean of two vectors, then its cosine with what comes next, against a number that grows late."""

from __future__ import annotations

import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.systems import get
from counterpoint.systems.sentences import triple_encoders
from encoders.test_adapting import llama
from systems.through import same
from systems.words import KINDS, small_table, steady_bert, step_of_texts

TEXTS = Data.alone(Items("text", [f"the {kind} is number {i}" for i, kind in enumerate(KINDS)]))
CURVE = {(0, 1): 0.2, (0, 2): 0.4, (0, 3): 0.6, (1, 2): 0.6, (1, 3): 0.8, (2, 3): 1.0}


def prepared(method, seed: int = 0) -> Data:
    """The rows that it trains on."""
    data = TEXTS
    for step in method.stages[0].prepare:
        data = step(data, None, seed)
    return data


def known(data: Data, row: int) -> tuple[int, list[tuple[str, int]]]:
    """Where what comes next stands among the texts, and what part each earlier one plays, and where it stands."""
    number = {text: i for i, text in enumerate(TEXTS.anchors.texts)}
    role, _, text = data.anchors.texts[data.anchor[row]].partition("] ")
    assert role == "[AFTER"
    parts = [data.others.texts[i].rpartition("] ") for i in data.positives[row].tolist()]
    return number[text], [(part[0], number[part[2]]) for part in parts]


def test_loss_is_the_squared_error_of_a_naive_loop_over_triples():
    step = step_of_texts("triple-encoders-c3l", TEXTS, make=steady_bert, n=12)
    data, z = prepared(get("triple-encoders-c3l").method()), step.network(step.payload.inputs)
    rows = step.calls[0]["queries"].columns["sample"].tolist()
    assert z.shape[0] == 36
    assert z.norm(dim=1).std() > 0.01  # they are averaged as they are
    total = torch.zeros(())
    for place, row in enumerate(rows):
        # of a batch first what comes next, then both earlier texts of each row
        after, first, second = z[place], z[12 + 2 * place], z[13 + 2 * place]
        mean = (first + second) / 2
        cosine = mean @ after / (mean.norm() * after.norm())
        total = total + (cosine - data.columns["score"][row]) ** 2 / 12
    same(step, total, rtol=1e-3)


def test_every_two_of_a_window_have_their_score_and_what_is_drawn_has_none():
    data = prepared(get("triple-encoders-c3l").method())
    windows = len(TEXTS) - 4
    assert len(data) == 18 * windows
    seen = dict.fromkeys(range(4, len(TEXTS)), 0)
    fixed = {"first": 0, "second": 0}
    for row, score in enumerate(data.columns["score"].tolist()):
        last, ((role, i), (other, j)) = known(data, row)
        assert (role, other) == ("[B1] [BEFORE", "[B2] [BEFORE")
        if score:
            assert score == pytest.approx(CURVE[i - last + 4, j - last + 4])
            seen[last] += 1
        else:
            fixed["first"] += i - last + 4 in range(4)
            fixed["second"] += j - last + 4 in range(4)
    assert set(seen.values()) == {6}
    # four rows a window hold their first, four their second; more are drawn so by chance
    assert min(fixed.values()) >= 4 * windows


def test_what_is_drawn_follows_the_seed():
    method = get("triple-encoders-c3l").method()
    first, again, other = prepared(method), prepared(method), prepared(method, 1)
    assert torch.equal(first.positives, again.positives)
    assert not torch.equal(first.positives, other.positives)


def test_the_baseline_takes_each_earlier_text_by_itself():
    step = step_of_texts(triple_encoders.curved(), TEXTS, make=steady_bert, n=12)
    data, (after, before) = prepared(triple_encoders.curved()), step.z()
    scores = data.columns["score"]
    for row in (scores > 0).nonzero()[:, 0].tolist():
        last, ((role, i),) = known(data, row)
        assert role == "[BEFORE"
        assert scores[row] == pytest.approx((i - last + 5) / 5)
    assert (scores > 0).sum() * 2 == (scores == 0).sum()
    rows = step.calls[0]["queries"].columns["sample"]
    error = torch.cosine_similarity(after, before) - scores[rows]
    same(step, error.square().mean(), rtol=1e-3)


def test_vectors_keep_their_length_and_get_dropout():
    method = get("triple-encoders-c3l").method()
    assert not method.adapt(small_table(TEXTS)).normalize
    encoder = method.adapt(llama()).train()
    inputs = encoder.tokenize(TEXTS.anchors.texts)
    assert not torch.equal(encoder(inputs), encoder(inputs))


def test_with_the_mechanism_off_scores_are_of_others_and_drawn_texts_stay_far():
    off = triple_encoders.shuffled_scores()
    wanted, plain = (prepared(method).columns["score"] for method in (off, get("triple-encoders-c3l").method()))
    step = step_of_texts(off, TEXTS, make=steady_bert, n=12)
    (call,) = step.calls
    assert torch.equal(call["queries"].columns["score"], wanted[call["queries"].columns["sample"]])
    assert torch.equal(wanted == 0, plain == 0)
    assert torch.equal(wanted.sort().values, plain.sort().values)
    assert not torch.equal(wanted, plain)
