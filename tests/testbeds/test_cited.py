"""Papers and their citations: what is tested is not trained on, and candidates are what they are said to be."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.testbeds import Made, cited
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not (REAL / "graph").exists(), reason="no data at hand")


def links(data):
    """Both ends of every training pair."""
    return {frozenset(pair) for pair in zip(data.anchor.tolist(), data.positives[:, 0].tolist(), strict=True)}


def checked(train, test, edges):
    linked = {}
    for a, b in edges:
        linked.setdefault(a, set()).add(b)
        linked.setdefault(b, set()).add(a)
    asked = set(test.anchor.tolist())
    assert not asked & {end for pair in links(train) for end in pair}
    assert links(train) <= {frozenset(edge) for edge in edges}
    for row in range(len(test)):
        query, kind = int(test.anchor[row]), int(test.columns["kind"][row])
        right, wrong = ({i for i in side[row].tolist() if i >= 0} for side in (test.positives, test.negatives))
        beyond = {c for b in linked[query] for c in linked[b]} - linked[query] - {query}
        assert right <= (linked[query] if kind == cited.CITE else beyond)
        assert 1 <= len(right) <= 5
        assert len(wrong) == 25
        assert not wrong & (linked[query] | beyond | {query})


@real
def test_cora_is_divided_by_paper(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))
    train, test = cited.papers(0)
    assert len(train.anchors) == 2708
    edges = cited._cora()[2].tolist()
    checked(train, test, edges)
    assert len(set(test.anchor.tolist())) <= 500
    assert len(links(cited.seen_papers(0)[0])) == 5278
    assert not torch.equal(cited.papers(1)[1].anchor, test.anchor)
    words = train.anchors.texts[0].split()
    assert all(word[0] == "w" and 0 <= int(word[1:]) < 1433 for word in words)


def test_titles_are_linked_by_rare_words():
    train, test = cited.linked_titles(0)
    texts, _, edges = cited._titled()
    checked(train, test, edges.tolist())
    for a, b in edges.tolist():
        assert set(texts[a].lower().split()) & set(texts[b].lower().split())


class Told:
    """Encodes papers as it is told, in their order."""

    def __init__(self, z: np.ndarray, texts: list[str]) -> None:
        self.z = dict(zip(texts, z, strict=True))

    def encode_items(self, items, *, kind=None):
        return np.stack([self.z[text] for text in items.texts]).astype(np.float32)


def test_map_is_that_of_scikit_learn_and_the_average_is_of_all_three():
    from sklearn.metrics import average_precision_score

    parts = cited.linked_titles(0)
    train, test = parts
    texts = list(train.anchors.texts)
    z = np.random.default_rng(0).normal(size=(len(texts), 8))
    made = Made("told", Told(z, texts), parts, 0)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    means = []
    for kind in (cited.CITE, cited.COCITE):
        each = []
        for row in (test.columns["kind"] == kind).nonzero()[:, 0].tolist():
            right = [i for i in test.positives[row].tolist() if i >= 0]
            wrong = test.negatives[row].tolist()
            scores = unit[right + wrong] @ unit[int(test.anchor[row])]
            each.append(average_precision_score([1] * len(right) + [0] * len(wrong), scores))
        means.append(np.mean(each))
        assert cited.average_precision(kind).of(made) == pytest.approx(means[-1], abs=1e-5)
    assert cited.gap.of(made) == pytest.approx(means[1] - means[0], abs=1e-5)
    assert cited.scidocs.of(made) == pytest.approx((sum(means) + cited.field_f1.of(made)) / 3, abs=1e-5)


def test_who_knows_the_fields_is_told_and_equal_scores_help_nobody():
    parts = cited.linked_titles(0)
    labels, texts = torch.from_numpy(cited._titled()[1]), list(parts[0].anchors.texts)
    known = np.eye(int(labels.max()) + 1)[labels]
    assert cited.field_f1.of(Made("told", Told(known, texts), parts, 0)) > 0.5
    alike = Made("alike", Told(np.ones((len(texts), 2)), texts), parts, 0)
    # what belongs comes last
    test = parts[1][parts[1].columns["kind"] == cited.CITE]
    n = (test.positives >= 0).sum(1)
    assert cited.average_precision(cited.CITE).of(alike) == pytest.approx(float((n / (n + 25)).mean()), abs=1e-6)
