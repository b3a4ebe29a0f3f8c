"""ANCE: two scores a query, the negative one of the first 200 that the model of then finds."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.data.rows import rows_of
from counterpoint.negatives import mine_bm25
from counterpoint.systems import get
from counterpoint.systems.retrieval.ance import bm25_alone, in_batch, mined_once
from systems.through import same
from systems.vectors import known_rows, own_pairs, watched
from systems.words import PAIRS, small_bert, step_of_texts


def naive(step):
    """`-log(e^{q p+} / (e^{q p+} + e^{q p-}))`, one pair at a time; cosines at 0.05."""
    q, positive, mined, own = own_pairs(step)
    total = torch.zeros(())
    for i, z in enumerate(q):
        (k,) = own[i]
        scores = torch.stack([z @ positive[i], z @ mined[k]]) / 0.05
        total = total - scores.log_softmax(0)[0]
    return total / len(q)


def test_loss_is_that_of_a_naive_loop_over_pairs_of_two_scores():
    whole = get("ance").method()
    for method in (whole, replace(whole, stages=whole.stages[:1]), bm25_alone(), mined_once()):
        step = step_of_texts(method)
        same(step, naive(step), rtol=1e-3)
    step = step_of_texts(in_batch())
    assert len(step.calls[0]["keys"]) == 8


def test_it_warms_up_on_bm25_and_mines_anew_ten_times_by_the_model_of_then():
    asked = []
    step_of_texts(watched(get("ance").method(), asked), steps=24)
    first, *rest = asked
    data = rows_of(PAIRS)[torch.arange(8)]
    assert torch.equal(first[2].negatives, mine_bm25(data).negatives)
    assert [i for i, *_ in rest] == [1] * 11
    for (_, before, _), (_, after, _) in zip(asked, rest, strict=False):
        assert not torch.equal(before[0], after[0]), "it has learned in between"
    assert len({tuple(found.negatives.flatten().tolist()) for *_, found in rest}) > 5


def test_one_of_the_first_200_is_drawn_and_no_answer():
    data, encoder = known_rows(40, 400)
    (prepare,) = get("ance").method().stages[1].prepare
    drawn = [prepare(replace(data, negatives=data.positives), encoder, seed).negatives for seed in range(12)]
    scores = torch.from_numpy(encoder.sides["query"] @ encoder.sides["document"].T)
    place = scores.argsort(1, descending=True).argsort(1)
    found = torch.cat(drawn, 1)
    assert found.shape == (40, 12), "what rows had is replaced"
    assert not (found == data.positives).any()
    places = place.gather(1, found)
    assert int(places.max()) < 200
    # any of them alike
    assert 80 < float(places.double().mean()) < 120
    assert int(places.max()) > 180


def test_a_transformer_gives_its_first_token():
    step = step_of_texts("ance", make=small_bert)
    assert step.network[0].pooling == "cls"
