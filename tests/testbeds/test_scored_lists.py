"""Lists of documents by distance: scores are what they are said to be, and what is new is new."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds import scored_lists
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not (REAL / "wn18rr").exists(), reason="no data at hand")


@real
def test_documents_are_scored_by_how_far_they_are(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))
    train, test = scored_lists.known_queries(0)
    assert len(train) == 10 * len(train.anchors) == 25_000
    assert train.columns["score"][:10].tolist() == [1.0, *[0.75] * 3, *[0.5] * 3, *[0.25] * 3]
    assert set(test.queries.texts) < set(train.anchors.texts)
    assert set(test.corpus.texts) == set(train.others.texts)
    told, near = scored_lists._graph()
    of = {}
    for key, text in told.items():
        of.setdefault(text, key)
    for row in range(0, 200, 10):
        some = [train.others.texts[int(p)] for p in train.positives[row : row + 10, 0]]
        assert some[0].partition("\t")[0] == train.anchors.texts[int(train.anchor[row])]
        keys = [of[text] for text in some]
        seen, edge = {keys[0]}, {keys[0]}
        for far in (1, 2, 3):
            edge = {b for a in edge for b in near[a]} - seen
            seen |= edge
            assert set(keys[3 * far - 2 : 3 * far + 1]) <= edge, (row, far)


@real
def test_new_documents_are_on_no_list_to_train_on(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))
    train, test = scored_lists.new_documents(0)
    whole, same = scored_lists.seen_documents(0)
    new = set(test.corpus.texts)
    assert not new & set(train.others.texts)
    assert same.corpus.texts == test.corpus.texts
    assert new | set(train.others.texts) == set(whole.others.texts)
    assert len(new) == len(set(whole.others.texts)) // 4
    assert len(test.queries) == 500
    assert set(test.queries.texts) <= set(whole.anchors.texts)
    score = {}
    for a, p, value in zip(
        whole.anchor.tolist(), whole.positives[:, 0].tolist(), whole.columns["score"].tolist(), strict=True
    ):
        score[whole.anchors.texts[a], whole.others.texts[p]] = value
    for q, gains in test.answers.relevant.items():
        told = {(test.queries.texts[q], test.corpus.texts[d]): gain for d, gain in gains.items()}
        assert told.items() <= score.items()


def test_of_titles_another_of_the_section_is_half_as_good():
    train, test = scored_lists.scored_titles(0)
    assert set(train.columns["score"].tolist()) == {0.5, 1.0}
    for gains in list(test.answers.relevant.values())[:20]:
        sections = {test.corpus.texts[d].partition("\t")[0] for d in gains}
        assert len(sections) == 1
        assert max(gains.values()) == 1.0
    assert train.positives.tolist() != scored_lists.scored_titles(1)[0].positives.tolist()


def test_the_gap_is_between_pairs_of_high_and_low_scores():
    items = Items("text", ["a", "b", "c"])
    places, score = torch.arange(3), torch.tensor([1.0, 0.5, 0.5])
    data = Data(items, places, items, places[:, None], columns={"score": score})
    sides = iter([np.eye(3), np.array([[1, 0, 0], [0, 0, 1], [0, 1, 1.0]])])
    made = SimpleNamespace(train=data, encoder=SimpleNamespace(encode_items=lambda items: next(sides)))
    assert scored_lists.score_gap.of(made) == pytest.approx(1 - (0 + 0.5**0.5) / 2)
