"""Pairs that are read as one text."""

from __future__ import annotations

import numpy as np
import torch

from counterpoint.testbeds import joined as beds
from counterpoint.testbeds.bed import Made
from counterpoint.testbeds.corpora import related
from counterpoint.testbeds.joined import equivalence, few_verdicts, more_verdicts, related_texts
from counterpoint.views.equivalents import SEPARATOR, law_pairs
from systems.words import small_table


def test_no_premise_is_in_both_parts_and_few_are_among_more(monkeypatch):
    from counterpoint.data import Example
    from counterpoint.data.rows import rows_of

    rows = [Example(f"premise {i // 3}", (f"hypothesis {i}",), label="abc"[i % 3]) for i in range(3000)]
    monkeypatch.setattr(beds, "verdicts", lambda seed: (rows_of(rows), None))
    (few, test), (more, same), (other, _) = few_verdicts(0), more_verdicts(0), few_verdicts(1)
    assert (len(few), len(test)) == (500, 1000)
    premises = [{text.split(SEPARATOR)[0] for text in part.anchors[part.anchor].texts} for part in (more, test)]
    assert not premises[0] & premises[1]
    assert few.anchors[few.anchor].texts == more.anchors[more.anchor].texts[:500]
    assert torch.equal(test.anchor, same.anchor)
    assert not torch.equal(few.anchor, other.anchor)
    for text, label in zip(few.anchors[few.anchor].texts, few.columns["label"].tolist(), strict=True):
        assert int(text.rsplit(" ", 1)[1]) % 3 == label


def test_related_texts_have_the_class_of_their_pair():
    (train, test), pairs = related_texts(0), related(0)
    assert (len(train), len(test)) == (450, 450)
    wanted = {}
    for part in pairs:
        column = part.columns["label" if "label" in part.columns else "score"]
        firsts, seconds = part.anchors[part.anchor].texts, part.others[part.positives[:, 0]].texts
        wanted |= {f"{a}{SEPARATOR}{b}": int(y) for a, b, y in zip(firsts, seconds, column, strict=True)}
    for part in (train, test):
        assert [wanted[text] for text in part.anchors.texts] == part.columns["label"].tolist()
        assert set(part.columns["label"].tolist()) == {0, 1, 2}


def test_equivalence_is_told_where_the_vector_says_it():
    truth = {}
    for new in (False, True):
        data = law_pairs(600, new=new)(None, None, 3)
        truth |= dict(zip(data.anchors.texts, data.columns["label"].tolist(), strict=True))

    class Knows:
        def encode_items(self, items, kind=None):
            return np.array([[1.0, 0.0] if truth[text] else [0.0, 1.0] for text in items.texts], dtype=np.float32)

    parts = related_texts(0)
    assert equivalence.of(Made("", Knows(), parts, 3)) > 0.98
    assert equivalence.of(Made("", small_table(parts[0]).eval(), parts, 3)) < 0.7
