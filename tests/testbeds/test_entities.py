"""Entities of WordNet with glosses of which some words are another's."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.testbeds import entities as e
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not (REAL / "wn18rr").exists(), reason="no data at hand")


@pytest.fixture(autouse=True)
def data(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))


def test_so_many_words_are_of_the_other():
    gloss, donor = "a b c d e f g h", "x y"
    for share in e.SWAPPED:
        found = e.with_words_of(gloss, donor, share, np.random.default_rng(0)).split()
        kept = [a for a, b in zip(found, gloss.split(), strict=True) if a == b]
        assert len(kept) == round(8 * (1 - share))
        assert set(found) <= {*kept, "x", "y"}


@real
def test_judged_glosses_are_of_other_entities_and_scored_by_what_is_their_own():
    train, test = e.kept_words(0)
    assert (len(train), len(test)) == (e.PAIRED + 5 * e.JUDGED, 5 * e.TESTED)
    score = train.columns["score"]
    assert int(score.isnan().sum()) == e.PAIRED
    assert test.columns["score"][:5].tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    glosses = {entity.graph: entity.gloss for entity in e.entities()}
    for i in (0, 7, 44):
        graph, gloss = test.anchors.texts[i], test.others.texts[i]
        own = glosses[graph].split()
        kept = sum(a == b for a, b in zip(own, gloss.split(), strict=True))
        # a drawn word may be the same
        assert kept >= round(len(own) * float(test.columns["score"][i])) - 1
    assert not {*train.anchors.texts} & {*test.anchors.texts}
    again = e.kept_words(0)[0]
    assert again.others.texts == train.others.texts
    assert e.kept_words(1)[0].others.texts != train.others.texts


@real
def test_graphs_find_glosses_and_the_seen_are_among_those_to_train_on():
    train, test = e.found_by_graph(0)
    assert (len(test), test.schema, test.columns) == (e.TESTED, "pairs", {})
    more, _ = e.seen_graphs(0)
    assert len(more) == len(train) + e.TESTED
    assert more.others.texts[-1] == test.others.texts[-1]
    assert math.isnan(float(more.columns["score"][-1]))
    assert len(e.seen_words(0)[0]) == len(train) + 5 * e.TESTED
    assert torch.equal(more.anchor, more.positives[:, 0])
    assert all(graph.count(" ; ") + 1 <= 6 for graph in test.anchors.texts)
