"""Few texts for what a whole language model says of them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from counterpoint.data import debian
from counterpoint.testbeds import captioned, language_model
from counterpoint.testbeds.files import VARIABLE

REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.skipif(not (REAL / "multi30k").exists(), reason="no data at hand")
def test_few_captions_are_all_of_some_pictures_of_the_test(monkeypatch):
    monkeypatch.setenv(VARIABLE, str(REAL))
    train, test = language_model.few_captions(0)
    assert Counter(Counter(test.columns["picture"].tolist()).values()) == {5: language_model.TESTED}
    assert not set(train.columns["picture"].tolist()) & set(test.columns["picture"].tolist())
    whole = captioned.captioned(0)[1]
    of = dict(zip(whole.anchors.texts, whole.columns["picture"].tolist(), strict=True))
    texts = test.anchors[test.anchor].texts
    assert [of[text] for text in texts] == test.columns["picture"].tolist()
    other = language_model.few_captions(1)[1]
    assert other.columns["picture"].unique().tolist() != test.columns["picture"].unique().tolist()


def test_a_package_is_a_title_and_its_own_description():
    held = debian().heldout
    query = {title: q for q, title in held.queries.items()}
    train, test = language_model.few_packages(0)
    texts, package = test.anchors[test.anchor].texts, test.columns["picture"].tolist()
    assert (len(train), len(texts)) == (20, 20)
    assert not set(train.anchors.texts) & set(texts)
    for i in range(10):
        assert package[i] == package[i + 10]
        assert texts[i + 10] in {held.corpus[d] for d in held.qrels[query[texts[i]]]}
    assert len(set(package)) == 10
    assert language_model.few_packages(0)[1].anchors.texts == test.anchors.texts
    assert language_model.few_packages(1)[1].anchors.texts != test.anchors.texts
    encoder = language_model.random_bert(train, 0)
    assert encoder.encode(["a package"], dtype="float32").tolist() != (
        language_model.random_bert(train, 1).encode(["a package"], dtype="float32").tolist()
    )
