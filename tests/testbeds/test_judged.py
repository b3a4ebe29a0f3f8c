"""Judged pairs, and domains to adapt to: what is trained on is not what is tested on, but for who has seen it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from counterpoint.testbeds import adapted, augmented, judged, prefixes
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not (REAL / "stsb").exists(), reason="no data at hand")


def pairs(data):
    return {
        (data.anchors.texts[a], data.others.texts[p]) for a, p in zip(data.anchor, data.positives[:, 0], strict=True)
    }


@real
def test_portuguese_pairs_have_the_scores_of_the_english_ones(monkeypatch):
    from counterpoint.testbeds.corpora import scored_sentences

    monkeypatch.setenv(VARIABLE, str(REAL))
    parts = judged.portuguese(0)
    assert [(len(part), part.schema) for part in parts] == [(5749, "scored"), (1379, "scored")]
    for mine, english in zip(parts, scored_sentences(0), strict=True):
        assert (mine.columns["score"] - english.columns["score"]).abs().max() < 0.01
    seen, test = judged.seen_portuguese(0)
    assert len(seen) == 5749 + 1379
    assert pairs(test) <= pairs(seen)


@real
def test_captions_are_of_pictures_that_no_inference_is_about(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))
    train, test = prefixes.unseen_captions(0)
    assert (train.schema, test.schema) == ("tuples", "items")
    assert "picture" in test.columns
    shown, said = ({"".join(c for c in text.lower() if c.isalnum()) for text in texts} for texts in (
        test.anchors[test.anchor].texts, train.anchors.texts
    ))  # fmt: skip
    assert not shown & said
    assert 300 < len(test.columns["picture"].unique()) < 500
    for bed in (prefixes.PREFIXED_SENTENCES, prefixes.PREFIXED_INFERENCES, prefixes.PREFIXED_LIKENESS):
        assert str(bed.settings["learning_rate"]) in bed.about
        assert "5e-4" not in bed.about


def test_titles_that_are_judged_are_other_ones_than_those_of_the_test():
    train, test = judged.judged_titles(0)
    assert train.schema == test.schema == "scored"
    assert set(train.columns["score"].tolist()) == {0.0, 1.0, 2.0}
    assert not set(train.anchor.tolist()) & set(test.anchor.tolist())


def test_the_domain_s_test_titles_are_seen_by_the_oracle_alone():
    (train, test), (seen, _) = adapted.some_titles(0), adapted.seen_titles(0)
    asked = set(test.queries.texts)
    assert not asked <= set(train.anchors.texts)
    assert asked <= set(seen.anchors.texts)
    assert len(seen) == len(train) + len(asked)


def test_beds_of_few_labels_leave_the_rate_to_the_arm():
    for bed in (augmented.FEW_LABELS, augmented.ALL_LABELS, augmented.FEW_SECTIONS, adapted.DOMAIN):
        assert "learning_rate" not in bed.settings
        assert "e-" not in bed.about
