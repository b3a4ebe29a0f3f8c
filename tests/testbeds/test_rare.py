"""A class that is rare where training is done."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds import rare, sorted_texts
from counterpoint.testbeds.rare import macro_f1, rarely_subjective


@pytest.fixture
def _subj(tmp_path, monkeypatch):
    (tmp_path / "classify").mkdir()
    rows = [f"{'objective' if i % 2 else 'subjective'}\tsentence {i}" for i in range(1200)]
    (tmp_path / "classify" / "subj.tsv").write_text("\n".join(["label\ttext", *rows]) + "\n")
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    sorted_texts._read.cache_clear()
    yield
    sorted_texts._read.cache_clear()


@pytest.mark.usefixtures("_subj")
def test_of_the_second_class_a_twentieth_is_left_to_train_on_and_all_in_the_test():
    whole, tested = sorted_texts.subjectivity(3)
    train, test = rarely_subjective(3)
    before, left = whole.columns["label"].bincount().tolist(), train.columns["label"].bincount().tolist()
    assert left == [before[0], round(before[1] / 20)]
    assert set(train.anchors[train.anchor].texts) < set(whole.anchors[whole.anchor].texts)
    assert test.anchors[test.anchor].texts == tested.anchors[tested.anchor].texts
    again = rarely_subjective(3)[0]
    assert torch.equal(again.anchor, train.anchor)
    assert not torch.equal(rarely_subjective(4)[0].anchor, train.anchor)


def test_classes_count_alike_however_rare():
    label = torch.tensor([0] * 8 + [1] * 2)
    data = Data.alone(Items("vector", torch.eye(2)[label]), label=label)
    encoder = SimpleNamespace(encode_items=lambda items: items.tensor.numpy())
    assert macro_f1.of(SimpleNamespace(encoder=encoder, train=data, test=data)) == 1.0
    blind = SimpleNamespace(encode_items=lambda items: np.zeros((len(items), 2)))
    # all are said to be of the frequent class: F1 of 16 / 18 and 0
    found = macro_f1.of(SimpleNamespace(encoder=blind, train=data, test=data))
    assert found == pytest.approx(8 / 18)
    assert rare.SHARE == 0.05
