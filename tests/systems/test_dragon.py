"""DRAGON: a teacher a query, its first ten and its places 46 to 50; a teacher more in each round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError
from counterpoint.negatives import by_vectors
from counterpoint.negatives.labelling import by_topics, by_words, labelled_by
from counterpoint.systems import get
from counterpoint.systems.retrieval import dragon
from counterpoint.systems.retrieval.dragon import all_teachers, first_only, one_teacher
from counterpoint.testbeds.unmarked import few_titles
from systems.through import same
from systems.vectors import known_rows
from systems.words import small_bert, step_of_texts

DATA, FIRST = known_rows(90, 120, seed=1)
SECOND = known_rows(90, 120, seed=2)[1]
KNOWN = [lambda data, of=of: by_vectors(of.sides["query"], of.sides["document"]) for of in (FIRST, SECOND)]


def lists():
    return [np.argsort(-of.sides["query"] @ of.sides["document"].T, axis=1)[:, :50] for of in (FIRST, SECOND)]


@pytest.fixture
def known(monkeypatch):
    """Two teachers whose lists are known."""
    monkeypatch.setattr(dragon, "_TEACHERS", tuple(KNOWN))


def test_positives_and_negatives_are_from_the_list_of_one_teacher(known):
    seen = []
    (prepare,) = get("dragon").method().stages[1].prepare
    for seed in range(8):
        found = prepare(DATA, torch.nn.Identity(), seed)
        assert found.positives.shape == found.negatives.shape == (90, 1)
        for i, (p, n) in enumerate(zip(found.positives[:, 0].tolist(), found.negatives[:, 0].tolist(), strict=True)):
            whose = [k for k, of in enumerate(lists()) if p in of[i, :10] and n in of[i, 45:50]]
            assert whose
            place = [(list(lists()[k][i]).index(p), list(lists()[k][i]).index(n)) for k in whose]
            seen.append((whose[0], *place[0]))
    teacher, positive, negative = (np.array(one) for one in zip(*seen, strict=True))
    # all alike
    assert 0.4 < teacher.mean() < 0.6
    assert np.bincount(positive, minlength=10).min() > 40
    assert np.bincount(negative - 45, minlength=5).min() > 100


def test_a_teacher_joins_in_each_round(known):
    def teachers(recipe):
        found = []
        for stage in recipe.stages:
            rows = stage.prepare[0](DATA, torch.nn.Identity(), 0)
            pairs = list(enumerate(rows.positives[:, 0].tolist()))
            found.append([all(p in of[i, :10] for i, p in pairs) for of in lists()])
        return found

    alone, both = [True, False], [False, False]
    # of the three rounds the third has a teacher more than are known here
    assert teachers(get("dragon").method()) == [alone, both, both]
    assert teachers(one_teacher()) == [alone] * 3
    assert teachers(all_teachers()) == [both] * 3
    first = first_only().stages[0].prepare[0](DATA, torch.nn.Identity(), 0)
    assert first.positives[:, 0].tolist() == lists()[0][:, 0].tolist()
    assert len(get("dragon").method().stages) == 3
    assert not any(stage.afresh for stage in get("dragon").method().stages)


def test_loss_is_over_positives_and_hard_negatives_of_the_batch(known):
    step = step_of_texts("dragon", DATA)
    (call,) = step.calls
    towers, sides = step.network[0], step.payload.inputs.parts
    q, p = (F.normalize(z, dim=1) for z in (towers.query(sides[0]), towers.document(sides[1])))
    shown, partner = call["keys"].columns["input"], call["queries"].columns["partner"]
    assert len(p) == 16
    total = torch.zeros(())
    for i in range(8):
        scores = [q[i] @ p[j] / 0.05 for j in range(16) if j == i or shown[j] != partner[i]]
        total = total - q[i] @ p[i] / 0.05 + torch.logsumexp(torch.stack(scores), 0)
    same(step, total / 8, rtol=1e-3)


def test_two_encoders_whose_first_token_counts(known):
    towers = step_of_texts("dragon", DATA, make=small_bert).network[0]
    assert isinstance(towers, Towers)
    assert [tower.pooling for tower in (towers.query, towers.document)] == ["cls", "cls"]


def test_teachers_find_what_belongs_together_each_in_a_way_of_its_own():
    data, _ = few_titles(0)
    data = data[torch.arange(60)]
    own = {}
    for name, teacher in (("words", by_words), ("topics", by_topics(32)), ("characters", by_topics(32, "char_wb"))):
        ids = teacher(data)(data, np.arange(60), 10).ids_bk
        own[name] = ids
        assert (ids == data.positives.numpy()).any(1).mean() > 0.4
    assert len({ids.tobytes() for ids in own.values()}) == 3


def test_where_a_teacher_finds_less_a_row_keeps_its_positive():
    few = by_vectors(FIRST.sides["query"], FIRST.sides["document"][:120])

    def short(data):
        def rank(data, rows_b, depth):
            ranked = few(data, rows_b, depth)
            return replace(ranked, ids_bk=np.where(np.arange(depth) < 3, ranked.ids_bk, -1))

        return rank

    found = labelled_by([short])(DATA, torch.nn.Identity(), 0)
    assert (found.negatives == -1).all()
    kept = (found.positives == DATA.positives).float().mean()
    assert 0.6 < kept < 1
    with pytest.raises(InputError, match="give one or more"):
        labelled_by([])
    with pytest.raises(InputError, match="come after positives"):
        labelled_by([short], top=46)


def test_rounds_draw_others(known):
    first, second = (stage.prepare[0](DATA, torch.nn.Identity(), 0) for stage in one_teacher().stages[:2])
    assert not torch.equal(first.positives, second.positives)
