"""Testbeds give every arm the same start and budget, and arms are what they say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.procedures import Predictor
from counterpoint.testbeds import CIFAR, DIGITS, PIXELS, RARER_CIFAR, Richer, Trained, Tuned, Untrained
from counterpoint.training import TrainConfig

SHORT = replace(DIGITS, steps=2)


def plain(temperature: float = 0.5) -> Recipe:
    train = TrainConfig(epochs=7, batch_size=32, learning_rate=1e-3, dtype="float32", warmup=0.0)
    stage = Stage(
        partial(InfoNCE, temperature, layout="views"),
        train,
        head=lambda width: nn.Linear(width, 8),
        procedure=lambda width: Predictor(nn.Linear(8, 8)),
    )
    return Recipe("plain", (stage,), Takes("image"))


def test_a_testbed_gives_start_and_budget_and_leaves_the_rest():
    recipe = replace(DIGITS, epochs=10, steps=0, settings={"weight_decay": 0.5}).settled(plain())
    (stage,) = recipe.stages
    assert recipe.start is DIGITS.start
    assert (stage.train.epochs, stage.train.weight_decay, stage.train.batch_size) == (10, 0.5, 32)
    four = DIGITS.settled(plain().varied("four", views=4)).stages[0].train
    assert four.epochs == DIGITS.epochs / 2


def test_stages_share_the_budget_as_they_are_to_each_other():
    stage = plain().stages[0]
    long, short = (replace(stage, train=replace(stage.train, epochs=n)) for n in (6, 2))
    recipe = replace(plain(), stages=(long, short))
    assert [s.train.epochs for s in DIGITS.settled(recipe).stages] == [DIGITS.epochs * 0.75, DIGITS.epochs * 0.25]
    assert [s.train.steps for s in replace(DIGITS, steps=8).settled(recipe).stages] == [6, 2]


def test_arms_of_a_testbed():
    parts = SHORT.parts(0)
    start = Untrained().made(SHORT, parts, 3)
    again = Untrained(plain).made(SHORT, parts, 3)
    ours = Trained(plain).made(SHORT, parts, 3)
    for a, b, c in zip(*(m.encoder.parameters() for m in (start, again, ours)), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c) or a.numel() < 100
    assert (ours.name, ours.steps, ours.head.out_features) == ("plain", 2, 8)
    assert isinstance(ours.procedure, Predictor)
    assert ours.objective.temperature == 0.5
    assert (start.name, start.steps, type(start.head).__name__) == ("untrained", 0, "Identity")
    assert PIXELS.made(SHORT, parts, 0).encoder.encode_items(parts[0].anchors).shape == (len(parts[0]), 64)


def test_what_is_richer_is_trained_there_and_measured_here():
    parts, more = SHORT.parts(0), replace(SHORT, name="more", steps=4)
    made = Richer(Trained(plain), more).made(SHORT, parts, 0)
    assert made.steps == 4
    assert made.parts is parts
    assert Richer(Trained(plain), more).key != Trained(plain).key


def test_arms_are_known_by_what_they_are():
    tuned = Tuned(plain, (0.1, 0.5))
    assert tuned.at(0.1).key != tuned.at(0.5).key
    assert tuned.at(0.5).key == Trained(partial(plain, 0.5)).key == Trained(partial(plain, temperature=0.5)).key
    assert tuned.at(0.5).key == Trained(plain).key  # its default
    assert tuned.at(0.1).make().stages[0].objective().temperature == 0.1
    with pytest.raises(InputError, match="a lambda names no arm"):
        Trained(lambda: plain())
    with pytest.raises(InputError, match="has no value yet"):
        tuned.made(SHORT, SHORT.parts(0), 0)


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A file of its layout, of which the pixels say the class."""
    import numpy as np

    (tmp_path / "images").mkdir()
    y = np.arange(8000) % 10
    x = np.broadcast_to((y * 20).astype(np.uint8)[:, None, None, None], (8000, 32, 32, 3))
    names = np.array(list("abcdefghij"))
    file = tmp_path / "images/cifar10.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x[:100], y_test=y[:100], names=names)
    monkeypatch.setenv("COUNTERPOINT_DATA", str(tmp_path))
    from counterpoint.testbeds import beds

    beds._whole.cache_clear()
    yield
    beds._whole.cache_clear()


def test_small_cifar_is_drawn_by_the_seed_and_made_smaller(cifar):
    (train, test), (other, _) = CIFAR.parts(0), CIFAR.parts(1)
    assert (len(train), len(test), tuple(train.anchors.tensor.shape[1:])) == (5000, 100, (3, 16, 16))
    assert torch.equal(train.anchors.tensor[train.anchor][:, 0, 0, 0], (train.columns["label"] * 20).byte())
    assert not torch.equal(train.columns["label"], other.columns["label"])


def test_a_long_tail_keeps_from_all_to_a_twentieth(cifar):
    train, test = RARER_CIFAR.parts(0)
    whole = CIFAR.parts(0)[0].columns["label"].bincount()
    share = (train.columns["label"].bincount() / whole).sort().values
    wanted = torch.tensor([0.05 ** (i / 9) for i in range(9, -1, -1)])
    torch.testing.assert_close(share, wanted, atol=0.01, rtol=0)
    assert len(test) == 100
