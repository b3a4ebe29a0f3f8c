"""Pictures to which something is done that one knows of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from counterpoint.testbeds.marked import ANOTHERS, NOISE, PLANTED_DIGITS, Components, new_drawers, partner


def test_some_pairs_are_noise_and_as_many_are_of_others():
    train, test = PLANTED_DIGITS.parts(3)
    pair = train.columns["pair"]
    for kind in (NOISE, ANOTHERS):
        assert float((pair == kind).float().mean()) == pytest.approx(0.15, abs=0.04)
    assert "pair" not in test.columns
    whose, own = partner(train, 3), torch.arange(len(train))
    assert torch.equal(whose == own, pair != ANOTHERS)
    assert torch.equal(whose, partner(train, 3))
    assert not torch.equal(whose, partner(train, 4))


def test_components_are_those_of_the_training_pictures():
    train, _ = PLANTED_DIGITS.parts(0)
    found = Components(train, 3).encode_items(train.anchors[train.anchor])
    x = train.anchors.tensor[train.anchor].flatten(1).double()
    x = x - x.mean(0)
    _, s, v = torch.linalg.svd(x, full_matrices=False)
    wanted = x @ v[:3].T
    assert found.shape == (len(train), 3)
    for i in range(3):
        cosine = torch.nn.functional.cosine_similarity(torch.from_numpy(found[:, i]).double(), wanted[:, i], dim=0)
        assert abs(float(cosine)) == pytest.approx(1, abs=1e-3)
    assert float(torch.from_numpy(found[:, 0]).norm()) == pytest.approx(float(s[0]), rel=1e-3)


def test_drawers_of_the_test_are_in_no_training_picture(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    n = 2 * 5 * 20
    label, drawer = np.arange(n) // 20, np.arange(n) % 20
    x = (np.arange(n)[:, None, None] % 2 * np.ones((1, 105, 105))).astype(np.uint8)
    names = np.array([f"A{i // 2}/character{i % 2}" for i in range(10)])
    np.savez(tmp_path / "images/omniglot_small1.npz", x=x, y=label, drawer=drawer + 1, names=names)
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    train, test = new_drawers(0)
    assert (len(train), len(test)) == (14 * 10, 6 * 10)
    assert not set(train.columns["drawer"].tolist()) & set(test.columns["drawer"].tolist())
    assert set(train.columns["label"].tolist()) == set(test.columns["label"].tolist()) == set(range(10))
    # the picture goes with its drawer: ink where the drawer's number was odd
    assert torch.equal(train.anchors.tensor.flatten(1).amax(1) > 0, train.columns["drawer"] % 2 == 0)
