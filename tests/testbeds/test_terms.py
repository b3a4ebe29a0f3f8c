"""Terms of concepts: what is new in the test is not trained on, and clusters are measured by other concepts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoint.data import WordNet
from counterpoint.errors import InputError
from counterpoint.testbeds import terms
from counterpoint.testbeds.terms import cluster_f1, nearest_concept, titled_terms

try:
    WordNet()
except InputError:
    there = False
else:
    there = True


def told(data):
    return list(zip(data.anchors[data.anchor].texts, data.columns["label"].tolist(), strict=True))


def checked(train, test):
    """One term of each test concept is new, and all terms are of one concept."""
    trained, asked = told(train), told(test)
    assert len({text.lower() for text, _ in {*trained, *asked}}) == len({*trained, *asked})
    new = [label for pair in asked if pair not in set(trained) for label in pair[1:]]
    assert sorted(new) == sorted({label for _, label in asked})
    assert min(np.unique([label for _, label in asked], return_counts=True)[1]) >= 3
    return trained, asked


def test_of_titles_one_name_is_new():
    train, test = titled_terms(0)
    trained, asked = checked(train, test)
    assert len({label for _, label in trained}) == 300
    assert len({label for _, label in asked}) <= 150
    assert told(titled_terms(0)[0]) == trained
    assert told(titled_terms(1)[0]) != trained


@pytest.mark.skipif(not there, reason="no WordNet at hand")
def test_of_wordnets_concepts_one_term_is_new_unless_it_may_be_seen():
    train, test = terms.terms(0)
    trained, asked = checked(train, test)
    assert len({label for _, label in trained}) == 4000
    assert len({label for _, label in asked}) == 1000
    more, same = terms.seen_terms(0)
    assert told(same) == asked
    assert set(asked) < set(told(more))


def test_a_name_of_several_is_of_the_first():
    found = terms._apart([["a", "b", "a"], ["B", "c"], ["B", "c", "d"], ["e"]])
    assert list(found) == [("a", "b"), ("d",)] or list(found) == []
    assert list(terms._apart([["a", "b"], ["A", "c", "d"]])) == [("a", "b"), ("c", "d")]


def made(noise: float, near: float = 0.0, seed: int = 0):
    """Ten concepts of four terms, around ten axes that have so much in common."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(10), 4)
    z = (np.eye(10) + near)[label] + noise * rng.normal(size=(40, 10))
    test = SimpleNamespace(columns={"label": torch.from_numpy(label)}, anchors=[None] * 1, anchor=0)
    encoder = SimpleNamespace(encode_items=lambda items: z.astype(np.float32))
    return SimpleNamespace(encoder=encoder, test=test, seed=seed)


def test_clusters_are_found_where_concepts_are_apart():
    assert cluster_f1.of(made(0.01)) == 1.0
    assert cluster_f1.of(made(0.25)) > cluster_f1.of(made(1.0))
    assert cluster_f1.of(made(0.01, near=0.2)) == 1.0, "whatever the cosines are"


def test_the_nearest_of_another_concept_is_near_where_axes_have_much_in_common():
    assert nearest_concept.of(made(0.0)) == pytest.approx(0.0)
    # (2 a + 10 a^2) / (1 + 2 a + 10 a^2)
    assert nearest_concept.of(made(0.0, near=0.5)) == pytest.approx(3.5 / 4.5)
