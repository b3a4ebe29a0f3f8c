"""Frozen vectors: captions by picture, digits, and what they are cut to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.data.items import Data, Items
from counterpoint.fitting.bases import minilm_folder
from counterpoint.testbeds import vectors
from counterpoint.testbeds.vectors import CAPTION_PAIRS, CAPTION_VECTORS, COMPONENTS, DIGIT_VECTORS, WHOLE


def test_test_captions_are_of_pictures_of_their_own_drawn_by_the_seed(monkeypatch):
    whole = Data.alone(Items("vector", torch.randn(5 * 400, 3)), label=torch.arange(400).repeat_interleave(5))
    monkeypatch.setattr(vectors, "_captions", lambda: whole)
    train, test = CAPTION_VECTORS.parts(0)
    labels = [set(part.columns["label"].tolist()) for part in (train, test)]
    assert not labels[0] & labels[1]
    assert (len(train), len(test), len(labels[1])) == (500, 1500, 300)
    assert torch.equal(
        train.anchors.tensor, whole.anchors.tensor[torch.isin(whole.columns["label"], train.columns["label"])]
    )
    assert labels[1] != set(CAPTION_VECTORS.parts(1)[1].columns["label"].tolist())


def test_pairs_are_of_one_picture_and_never_of_a_caption_with_itself(monkeypatch):
    whole = Data.alone(Items("vector", torch.randn(5 * 400, 3)), label=torch.arange(400).repeat_interleave(5))
    monkeypatch.setattr(vectors, "_captions", lambda: whole)
    train, test = CAPTION_PAIRS.parts(0)
    label = CAPTION_VECTORS.parts(0)[0].columns["label"]
    assert train.schema == "pairs"
    assert torch.equal(label[train.anchor], label[train.positives[:, 0]])
    assert sorted(train.positives[:, 0].tolist()) == list(range(500))
    assert (train.anchor != train.positives[:, 0]).all()
    assert torch.equal(test.anchors.tensor, CAPTION_VECTORS.parts(0)[1].anchors.tensor)


@pytest.mark.slow
def test_captions_are_minilm_s():
    if minilm_folder() is None:
        pytest.skip("its weights are not installed")
    from counterpoint.encoders import load

    data = vectors._captions()
    assert data.anchors.tensor.shape == (5070, 384)
    first = load(minilm_folder(), backend="torch").encode(
        ["A group of people stand in the back of a truck filled with cotton."], dtype="float32"
    )
    np.testing.assert_allclose(data.anchors.tensor[:1].numpy(), first, atol=1e-5)


def test_digits_are_pixels_side_by_side():
    train, test = DIGIT_VECTORS.parts(0)
    assert train.anchors.tensor.shape == (899, 64)
    assert float(test.anchors.tensor.max()) == 1.0
    assert train.schema == "labelled"


def test_principal_components_are_of_the_training_part_and_sorted():
    train, test = DIGIT_VECTORS.parts(0)
    z = COMPONENTS.made(DIGIT_VECTORS, (train, test), 0).encoder.encode_items(train.anchors)
    spread = z.var(0)
    assert (np.diff(spread) <= 1e-6).all()
    assert np.abs(np.corrcoef(z[:, :9].T) - np.eye(9)).max() < 1e-3
    same = WHOLE.made(DIGIT_VECTORS, (train, test), 0).encoder.encode_items(test.anchors)
    assert np.array_equal(same, test.anchors.tensor.numpy())
