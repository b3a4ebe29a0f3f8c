"""Conan-embedding: negatives slide down a list when they have become easy; likeness is learned in the same step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from counterpoint.data import Example
from counterpoint.data.rows import rows_of
from counterpoint.errors import InputError
from counterpoint.negatives.easy import replaced_when_easy
from counterpoint.systems import get
from counterpoint.systems.retrieval.conan import never, without_hard
from counterpoint.testbeds.two_tasks import both
from systems.through import same
from systems.vectors import Known, known_rows, own_pairs, watched
from systems.words import PAIRS, step_of_texts


def scored_and_pairs():
    scored = rows_of([Example(e.anchor + " now", e.positives, score=i / 8) for i, e in enumerate(PAIRS[:8])])
    data = both(rows_of(PAIRS[:8]), scored)
    return data[torch.arange(16).view(2, 8).T.flatten()]


def test_negatives_that_have_become_easy_are_exchanged_for_the_next_of_the_list():
    data, encoder = known_rows(30, 200, dim=4)
    encoder.encode_items = _of_some(encoder)
    first, slide = get("conan-embedding").method().stages[1].prepare
    rows = slide(first(data, encoder, 0), encoder, 0)
    scores = encoder.sides["query"] @ encoder.sides["document"].T
    lists = [[int(k) for k in np.argsort(-scores[i])[:101] if k != i][9:100] for i in range(30)]
    assert rows.negatives.tolist() == [mine[:4] for mine in lists]
    place, taken = [0] * 30, [scores[i, lists[i][:4]].mean() for i in range(30)]
    rng, moved = np.random.default_rng(0), 0
    for _ in range(6):
        # another encoder each time
        queries = encoder.sides["query"] + rng.normal(size=(30, 4)) * 0.4
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        scores, later = queries @ encoder.sides["document"].T, Known(queries, encoder.sides["document"])
        later.encode_items = _of_some(later)
        rows = slide(first(rows, later, 1), later, 1)
        for i in range(30):
            now = scores[i, lists[i][4 * place[i] : 4 * place[i] + 4]].mean()
            if 1.15 * now < taken[i] and abs(now) < 0.8:
                place[i], moved = place[i] + 1, moved + 1
                taken[i] = scores[i, lists[i][4 * place[i] : 4 * place[i] + 4]].mean()
        assert rows.negatives.tolist() == [lists[i][4 * place[i] : 4 * place[i] + 4] for i in range(30)]
        assert rows.columns["place"].tolist() == place
        np.testing.assert_allclose(rows.columns["taken_at"].numpy(), taken, atol=1e-5)
    assert 20 < moved < 6 * 30


def _of_some(known):
    """Documents that are asked for by their number."""

    def encode_items(items, *, kind):
        return known.sides[kind][[int(text.split()[1]) for text in items.texts]].astype(np.float32)

    return encode_items


def test_what_is_still_like_the_query_stays_and_so_do_the_last_of_the_list():
    data, encoder = known_rows(12, 40)
    encoder.encode_items = _of_some(encoder)
    slide = replaced_when_easy(4, first=2, depth=9, most=2.0)
    rows = slide(data, encoder, 0)
    assert slide(rows, encoder, 1).negatives.tolist() == rows.negatives.tolist()
    easier = replace(rows, columns={**rows.columns, "taken_at": rows.columns["taken_at"] + 9})
    second = slide(easier, encoder, 1)
    assert second.negatives.tolist() == rows.columns["candidates"][:, 4:8].tolist()
    # of eight places both fours were had
    last = slide(replace(second, columns={**second.columns, "taken_at": torch.full((12,), 9.0)}), encoder, 1)
    assert torch.equal(last.negatives, second.negatives)
    hard = replaced_when_easy(4, first=2, depth=9, most=0.0)
    assert torch.equal(hard(easier, encoder, 1).negatives, rows.negatives)
    with pytest.raises(InputError, match="4 negatives from place 10 of 12"):
        replaced_when_easy(4, depth=12)


@pytest.mark.parametrize("method", ["conan-embedding", never()])
def test_loss_is_over_own_negatives_and_the_order_of_pairs_by_likeness(method):
    step = step_of_texts(method, scored_and_pairs(), n=16)
    (call,) = step.calls
    q, positive, mined, own = own_pairs(step)
    task, likeness = (call["queries"].columns[name] for name in ("task", "likeness"))
    assert task.tolist().count(0) == 8
    losses, cosine = [], (q * positive).sum(1)
    for i in range(16):
        if task[i] == 0:
            scores = torch.stack([cosine[i], *(q[i] @ mined[k] for k in own[i])]) / 0.05
            losses.append(-scores.log_softmax(0)[0])
    wrong = torch.zeros(())
    for a in range(16):
        for b in range(16):
            if task[a] and task[b] and likeness[a] > likeness[b]:
                wrong = wrong + ((cosine[b] - cosine[a]) / 0.05).exp()
    same(step, torch.stack(losses).mean() + 0.8 * torch.log1p(wrong), rtol=1e-3)


def test_the_first_stage_contrasts_the_batch_and_negatives_are_looked_at_ten_times():
    asked = []
    step_of_texts(watched(get("conan-embedding").method(), asked), steps=22)
    assert [i for i, *_ in asked] == [0] + [1] * 11
    step = step_of_texts(without_hard(), scored_and_pairs(), n=16)
    (call,) = step.calls
    assert call["keys"].columns["sample"].tolist() == call["queries"].columns["sample"].tolist()
    whole = get("conan-embedding").method()
    step = step_of_texts(replace(whole, stages=whole.stages[:1]), scored_and_pairs(), n=16)
    q, keys = torch.nn.functional.normalize(step.network(step.payload.inputs), dim=1).split(16)
    (call,) = step.calls
    task, likeness = (call["queries"].columns[name] for name in ("task", "likeness"))
    shown, partner = call["keys"].columns["input"].tolist(), call["queries"].columns["partner"].tolist()
    losses, cosine = [], (q * keys).sum(1)
    for i in range(16):
        others = [j for j in range(16) if j == i or shown[j] != partner[i]]
        if task[i] == 0:
            losses.append(torch.logsumexp(keys[others] @ q[i] / 0.05, 0) - cosine[i] / 0.05)
    wrong = torch.zeros(())
    for a in range(16):
        for b in range(16):
            if task[a] and task[b] and likeness[a] > likeness[b]:
                wrong = wrong + ((cosine[b] - cosine[a]) / 0.05).exp()
    same(step, torch.stack(losses).mean() + 0.8 * torch.log1p(wrong), rtol=1e-3)


def test_plain_pairs_are_of_retrieval():
    step = step_of_texts("conan-embedding", PAIRS)
    (call,) = step.calls
    assert call["queries"].columns["task"].tolist() == [0] * 8
    assert bool(call["queries"].columns["likeness"].isnan().all())
    assert step.loss > 0
