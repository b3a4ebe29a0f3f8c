"""Attributes, colours and what is measured of them: each where the answer is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.testbeds import weak
from counterpoint.testbeds.bed import Made


class Told:
    """An encoder that gives vectors as they are written."""

    def __init__(self, vectors):
        self.vectors = vectors

    def encode_items(self, items, *, kind=None):
        del kind
        return self.vectors[items.tensor.flatten().long()].numpy()


def made_of(vectors, **columns):
    n = len(vectors)
    data = Data.alone(Items("image", torch.arange(n)), **columns)
    return Made("told", Told(vectors), (data[torch.arange(n // 2)], data[torch.arange(n // 2, n)]), 0)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_attributes_are_those_of_the_class_but_for_a_tenth():
    labels = torch.arange(10).repeat(400)
    right = weak.attributes(labels, weak.PICTURED, torch.Generator(), 0.0)
    names = sorted({w for words in weak.PICTURED.values() for w in words.split()})
    assert right.shape == (4000, 12)
    assert {n for n, on in zip(names, right[0].tolist(), strict=True) if on} == set(weak.PICTURED["airplane"].split())
    noisy = weak.attributes(labels, weak.PICTURED, torch.Generator().manual_seed(0))
    assert float((noisy != right).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert set(noisy.unique().tolist()) == {0.0, 1.0}


def test_parts_have_the_attributes_of_their_own_pictures():
    train, test = weak.digits_with_attributes(3)
    for part in (train, test):
        right = weak.attributes(part.columns["label"], weak.WRITTEN, torch.Generator(), 0.0)
        assert 0.07 < float((part.columns["attributes"] != right).float().mean()) < 0.13
    assert not torch.equal(weak.digits_with_attributes(4)[0].columns["attributes"], train.columns["attributes"])


def test_a_picture_is_its_ink_times_its_colour():
    plain, (train, _) = weak.digits_with_attributes(0)[0], weak.tinted_digits(0)
    colour = train.columns["colour"]
    assert 0.3 <= float(colour.min()) < 0.32 < 0.98 < float(colour.max()) <= 1
    wanted = plain.anchors.tensor * colour[:, :, None, None]
    assert float((train.anchors.tensor.float() / 255 - wanted).abs().max()) <= 0.5 / 255 + 1e-6
    assert abs(float(torch.corrcoef(torch.stack([colour[:, 0], train.columns["label"].float()]))[0, 1])) < 0.1


def test_shuffled_columns_are_permuted_and_the_rest_stays():
    data = weak.digits_with_attributes(0)[0]
    found = weak.shuffled("attributes")(data, nn.Identity(), 1)
    assert torch.equal(found.columns["label"], data.columns["label"])
    assert not torch.equal(found.columns["attributes"], data.columns["attributes"])
    assert torch.equal(*(d.columns["attributes"].sum(0) for d in (found, data)))


def test_codes_keep_directions_of_variance_at_a_mean_squared_distance_of_one():
    data = weak.digits_with_attributes(0)[0]
    code = weak.principal("code", 64)(data, nn.Identity(), 0).columns["code"]
    pixels = data.anchors.tensor.flatten(1)
    a, b = torch.cdist(code, code), torch.cdist(pixels, pixels)
    n = len(code)
    assert float(a.square().sum() / (n * (n - 1))) == pytest.approx(1, rel=1e-3)
    torch.testing.assert_close(a / a.max(), b / b.max(), rtol=1e-2, atol=1e-3)


def test_explained_variance_is_one_of_a_linear_map_and_nothing_of_noise():
    x = normal(600, 4)
    linear = made_of(x, colour=(x @ normal(4, 3, seed=1)))
    assert weak.explained("colour").of(linear) == pytest.approx(1, abs=1e-3)
    assert abs(weak.explained("colour").of(made_of(x, colour=normal(600, 3, seed=2)))) < 0.1


def test_agreement_is_whole_where_cosines_follow_distances_and_nothing_for_noise():
    angle = torch.linspace(0, np.pi / 2, 200)[torch.randperm(200, generator=torch.Generator().manual_seed(0))]
    made = made_of(torch.stack([angle.cos(), angle.sin()], 1), colour=angle[:, None])
    assert weak.agreement("colour").of(made) > 0.95
    noise = SimpleNamespace(**{**vars(made), "test": made.test, "head": nn.Identity()})
    noise.encoder = Told(normal(200, 8))
    assert abs(weak.agreement("colour").of(noise)) < 0.1


def test_pictures_of_five_classes_are_turned_by_quarters_and_others_stay(monkeypatch):
    pixels = torch.arange(40 * 16).view(40, 1, 4, 4)
    plain = Data.alone(Items("image", pixels), label=torch.arange(40) % 10)
    monkeypatch.setattr(weak, "small_cifar", lambda seed: (plain, plain))
    train, test = weak.partly_turned.__wrapped__(0)
    for part in (train, test):
        turned, found = part.columns["turned"].bool(), part.anchors.tensor
        assert int(turned.sum()) == 20
        assert len(part.columns["label"][turned].unique()) == 5
        assert torch.equal(found[~turned], pixels[~turned])
        quarters = torch.stack([torch.rot90(pixels, q, (2, 3)) for q in range(4)])
        is_turn = (quarters == found).flatten(2).all(2)
        assert bool(is_turn.any(0).all())
        assert is_turn[:, turned].float().mean(1).min() > 0


def test_turns_are_contrasted_between_those_that_may_and_those_that_may_not():
    class Halves(Told):
        def encode_items(self, items, *, kind=None):
            x = items.tensor.float().flatten(1)
            return (x.sum(1, keepdim=True) if self.vectors is None else x[:, :2] - x[:, 2:]).numpy()

    # a quarter anticlockwise takes the corner to the lower left, so (1, 0) becomes (-1, 0); of the other (1, 1) stays
    pixels = torch.tensor([[1.0, 0.0, 0.0, 0.0], [2.0, 3.0, 1.0, 2.0]] * 2).view(4, 1, 2, 2)
    data = Data.alone(Items("image", pixels), turned=torch.tensor([0, 1, 0, 1]))
    made = [Made("told", Halves(vectors), (data, data), 0) for vectors in (None, 1)]
    assert weak.turn_contrast.of(made[0]) == pytest.approx(0)
    assert weak.turn_contrast.of(made[1]) == pytest.approx(2)


def test_a_column_is_another_or_the_same_for_all():
    data = weak.digits_with_attributes(0)[0]
    assert torch.equal(weak.copied("label", "x")(data, nn.Identity(), 0).columns["x"], data.columns["label"])
    assert weak.always("x", -1)(data, nn.Identity(), 0).columns["x"].unique().tolist() == [-1]


def test_episodes_are_of_vectors_that_are_standardised_each_by_itself():
    z = normal(200, 6) * torch.linspace(0.1, 5, 200)[:, None] + 7
    made = made_of(z, label=torch.arange(200) % 5)
    found = weak.standardised(made, made.test)
    assert np.abs(found.mean(1)).max() < 1e-5
    assert np.abs(found.std(1) - 1).max() < 1e-4
    classes = torch.eye(6)[torch.arange(200) % 5]
    easy = made_of(classes * torch.linspace(0.1, 5, 200)[:, None], label=torch.arange(200) % 5)
    assert weak.episodes().of(easy) == 1.0
    assert weak.episodes().of(made) < 0.3

    def swapped(prototypes, queries):
        return np.roll(prototypes, 1, axis=0)

    assert weak.episodes(align=swapped).of(easy) == 0.0
