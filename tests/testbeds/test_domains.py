"""Testbeds of pictures that were made: what was made is what the columns say, and figures have known answers."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from counterpoint.data.images import digits
from counterpoint.data.items import Data, Items
from counterpoint.geometry import Euclidean
from counterpoint.heads import Halves
from counterpoint.objectives import HedgedMatch, Logits, Part, Pool, Pooled, SoftContrastive
from counterpoint.procedures import AgainstClasses
from counterpoint.testbeds import Made
from counterpoint.testbeds.angles import ANGLES, absolute_error, more_angles, ordered, turned
from counterpoint.testbeds.beds import digit_halves, small_cifar
from counterpoint.testbeds.classifiers import accuracy, its_classifier, macro_f1
from counterpoint.testbeds.domains import NEW_DOMAIN, TURNED_DIGITS, domain_gap, known_domain
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.overlaid import OVER_STRIPES, common, joint_entropy, mixed_up, over_cifar, salient, told
from counterpoint.testbeds.tuning import class_margin, tuning_digits
from counterpoint.testbeds.two_digits import TWO_DIGITS, covered, foresight, identified, uncertainties, verified

DATA = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not (DATA / "images").is_dir(), reason=f"no pictures in {DATA}")


@pytest.fixture(autouse=True)
def data(monkeypatch):
    """Where testbeds look for it."""
    monkeypatch.setenv("COUNTERPOINT_DATA", str(DATA))


class AsGiven:
    """An encoder whose vectors are the items."""

    def encode_items(self, items):
        return items.tensor.flatten(1).float().numpy()


def made(train, test, **fields):
    return Made("as given", AsGiven(), (train, test), 0, **fields)


def rows(vectors, **columns):
    return Data.alone(Items("vector", torch.as_tensor(vectors, dtype=torch.float32)), **columns)


def test_a_picture_is_turned_by_its_angle():
    corner = torch.zeros(1, 1, 8, 8)
    corner[..., 3, 7] = 1.0
    once = turned(corner, torch.tensor([90.0]))
    assert torch.allclose(once, corner.rot90(1, (2, 3)), atol=1e-5) or torch.allclose(
        once, corner.rot90(-1, (2, 3)), atol=1e-5
    )
    assert torch.allclose(turned(corner, torch.tensor([0.0])), corner, atol=1e-5)


def test_angles_are_known_and_more_of_them_have_the_same_test():
    train, test = ANGLES.parts(1)
    more, again = more_angles(1)
    assert (int(train.columns["angle"].min()), int(train.columns["angle"].max())) == (0, 90)
    assert len(train) + len(test) == 1797
    assert len(more) == 4 * len(train)
    assert torch.equal(test.anchors.tensor, again.anchors.tensor)
    assert not torch.equal(more.columns["angle"][: len(train)], more.columns["angle"][len(train) : 2 * len(train)])


def test_absolute_error_is_that_of_a_line():
    x = np.linspace(-1, 1, 40)[:, None]
    train = rows(x, age=torch.tensor(30 * x[:, 0]))
    test = rows(x[:4], age=torch.tensor(30 * x[:4, 0]) + torch.tensor([1.0, -1.0, 3.0, -3.0]))
    assert absolute_error("age").of(made(train, test)) == pytest.approx(2.0, abs=0.02)


def test_ordered_is_one_where_cosines_follow_the_number():
    age = torch.tensor([0, 1, 3, 7, 15, 31, 63])  # no two of which are as far apart as two others
    angle = age.float().deg2rad()
    line = rows(torch.stack([angle.cos(), angle.sin()], 1), age=age)
    assert ordered("age", of=representation).of(made(line, line)) == pytest.approx(1.0)
    mixed = rows(line.anchors.tensor, age=age[torch.tensor([0, 6, 1, 5, 2, 4, 3])])
    assert ordered("age", of=representation).of(made(mixed, mixed)) < 0.5


def test_backgrounds_are_targets_without_digits():
    train, test = OVER_STRIPES.parts(0)
    pixels, target = train.anchors.tensor, train.columns["target"]
    assert float(pixels[target == 0].max()) <= 0.5 < float(pixels[target == 1].max())
    assert sorted(train.columns["label"].unique().tolist()) == [0, 1, 2, 3]
    assert train.columns["digit"][target == 0].unique().tolist() == [-1]
    assert sorted(test.columns["digit"].unique().tolist()) == list(range(-1, 10))
    # the digit is the picture's: with the stripes taken away it is half of one
    whole = digits().anchors.tensor
    row = int((target == 1).nonzero()[0, 0])
    rest = pixels[row] - whole / 2
    plain = [r for r in rest if float(r.min()) >= 0 and float(r.max()) <= 0.5]
    assert plain


@needs_data
def test_digits_lie_over_half_of_cifar():
    train, _ = over_cifar(0)
    plain, _ = small_cifar(0)
    target = train.columns["target"] == 1
    over = train.anchors.tensor - plain.anchors.tensor[plain.anchor].float() / 510
    assert torch.allclose(over[~target], torch.zeros(()), atol=1e-6)
    assert torch.allclose(over[target].amax((1, 2, 3)), torch.tensor(0.5), atol=0.15)
    assert torch.equal(train.columns["label"], plain.columns["label"])


def test_a_perfect_separation_is_at_0_and_one_space_at_2_less_chances():
    n = 400
    target, label, digit = (torch.arange(n) % 2), (torch.arange(n) // 2) % 4, (torch.arange(n) // 8) % 10
    first, second = torch.eye(4)[label], torch.eye(10)[digit]
    filled = torch.cat([first, torch.zeros(n, 6)], 1)
    data = rows(torch.cat([filled, second], 1), label=label, digit=torch.where(target == 1, digit, -1), target=target)
    apart = made(data, data, head=Halves(torch.nn.Identity(), torch.nn.Identity()))
    # chance is not met to the letter: of what a space does not tell, the probe says what is frequent
    assert mixed_up.of(apart) == pytest.approx(0.0, abs=0.15)
    together = made(data, data)
    assert told("digit", salient).of(together) == told("digit", common).of(together) == 1.0
    assert mixed_up.of(together) == pytest.approx(2 - 1 / 4 - 1 / 10, abs=1e-6)


def test_joint_entropy_is_that_of_the_head():
    data = rows([[0.0], [9.0]])
    assert joint_entropy.of(made(data, data)) == pytest.approx(-math.log(2), abs=1e-5)


def test_domains_are_turned_and_the_test_domain_is_new():
    train, test = TURNED_DIGITS.parts(1)
    plain, held = (pixels for pixels, _ in digit_halves(1))
    for d in range(5):
        these = train.columns["domain"] == d
        assert 175 < int(these.sum()) < 185
        angle = torch.full((int(these.sum()),), 15.0 * d)
        assert torch.equal(train.anchors.tensor[these], turned(plain[these], angle))
    assert torch.equal(test.anchors.tensor, turned(held, torch.full((len(held),), 75.0)))
    assert torch.equal(train.columns["mixed"].bincount(), train.columns["domain"].bincount())
    agree = (train.columns["mixed"] == train.columns["domain"]).float().mean()
    assert 0.1 < float(agree) < 0.3


@needs_data
def test_half_of_the_new_domain_is_for_the_ceiling():
    (train, test), (more, again) = NEW_DOMAIN.parts(2), known_domain(2)
    assert sorted(train.columns["domain"].unique().tolist()) == [0, 1, 3]
    assert test.columns["domain"].unique().tolist() == [2]
    assert torch.equal(test.anchor, again.anchor)
    rest = more.columns["domain"] == 2
    seen = more.anchors.tensor[more.anchor[rest]].flatten(1).float()
    held = test.anchors.tensor[test.anchor].flatten(1).float()
    assert abs(len(seen) - len(held)) <= 1
    assert float(torch.cdist(seen, held).min()) > 0


def test_tuning_is_on_few_pictures_of_five_classes():
    train, test = tuning_digits(3)
    assert train.columns["label"].bincount().tolist() == [20] * 5
    assert sorted(test.columns["label"].unique().tolist()) == [0, 1, 2, 3, 4]
    assert 400 < len(test) < 500


def test_macro_f1_counts_rare_classes_as_much():
    x = torch.eye(3)[torch.tensor([0, 0, 0, 0, 1, 2])]
    data = rows(x, label=torch.tensor([0, 0, 0, 0, 1, 1]))
    same = torch.nn.Identity()
    # of the first class all are right, of the second one of two, and the third is nobody's
    assert macro_f1(its_classifier).of(made(data, data, head=same, procedure=AgainstClasses(3))) == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_own_accuracy_is_of_the_classifier_that_was_trained():
    x = torch.eye(3).repeat(4, 1)
    data = rows(x, label=torch.arange(12) % 3)
    wrong = torch.nn.Linear(3, 3, bias=False)
    wrong.weight.data = torch.eye(3)[[1, 0, 2]]
    assert accuracy(its_classifier).of(made(data, data)) == 1.0
    assert accuracy(its_classifier).of(made(data, data, head=wrong, procedure=AgainstClasses(3))) == pytest.approx(
        1 / 3
    )
    logits = Part(Logits(3), -3)
    assert accuracy(its_classifier).of(made(data, data, head=wrong, objective=logits)) == pytest.approx(1 / 3)
    train = rows(x, label=(torch.arange(12) + 1) % 3)
    kernel = Pooled(Pool(), Pool(), geometry=Euclidean(), temperature=0.1)
    assert accuracy(its_classifier).of(made(train, data, objective=kernel)) == 0.0
    assert accuracy(its_classifier).of(made(data, data, objective=kernel)) == 1.0


def test_shares_and_margins_are_known():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    data = rows(x, label=torch.tensor([0, 0, 1, 1]), domain=torch.tensor([0, 0, 1, 1]))
    assert domain_gap.of(made(data, data)) == pytest.approx(1.5)  # of two means and of four points, unbiased
    assert class_margin.of(made(data, data)) == pytest.approx(1.0)
    crossed = rows(x, label=torch.tensor([0, 1, 0, 1]), domain=torch.tensor([0, 1, 0, 1]))
    assert domain_gap.of(made(crossed, crossed)) == 0.0
    assert class_margin.of(made(crossed, crossed)) == pytest.approx(-0.5)


def test_two_digits_lose_a_square_of_one_in_every_second_test_picture():
    train, test = TWO_DIGITS.parts(0)
    assert train.anchors.tensor.shape == (2000, 1, 8, 16)
    assert train.columns["hidden"].unique().tolist() == [0]
    assert test.columns["hidden"].tolist() == [0, 1] * 500
    assert 90 < len(train.columns["label"].unique()) <= 100
    hidden = torch.tensor([[True, False], [False, True], [False, False]]).repeat(2000, 1)
    black = covered(torch.ones(6000, 1, 8, 16), hidden, torch.Generator().manual_seed(0))[:, 0] == 0
    assert torch.equal(torch.stack([black[..., :8].any((1, 2)), black[..., 8:].any((1, 2))], 1), hidden)
    count = black.sum((1, 2))
    high, wide = black.any(2).sum(1), black.any(1).sum(1)
    assert torch.equal(high, wide)  # a square
    assert torch.equal(count, high * wide)
    sides = high[count > 0].bincount().double() / 4000
    assert sides[1:].tolist() == pytest.approx([1 / 8] * 8, abs=0.02)  # each as likely
    ones = black[(count == 1) & hidden[:, 0]][..., :8].float().mean(0)
    assert bool((ones.sum(0) > 0).all() and (ones.sum(1) > 0).all())  # anywhere


@pytest.mark.parametrize("shape", [(3, 7, 5), (1, 16, 16), (2, 4, 1)])
def test_any_picture_has_halves(shape):
    plain = torch.rand(50, *shape) + 1
    kept = covered(plain, torch.ones(50, 2, dtype=torch.bool), torch.Generator().manual_seed(0))
    assert kept.shape == plain.shape
    assert bool((kept[kept != 0] == plain[kept != 0]).all())
    assert (kept == 0).any((1, 2, 3)).all()


def test_matches_and_uncertainty_are_of_what_was_learned():
    z = torch.tensor([[0.5, -50.0], [0.5, 0.0], [0.5, 4.0]])  # on a line: no variance, 1 and e^4
    for scale, bias in ((1.0, 0.0), (3.0, 2.0)):
        objective = SoftContrastive(geometry=HedgedMatch(8, scale=scale, bias=bias))
        torch.manual_seed(0)
        data = rows(z)
        sure, fair, wild = uncertainties(made(data, data, objective=objective), data)
        assert sure == pytest.approx(1 / (1 + math.exp(bias)), rel=1e-4)
        assert sure < fair < wild
    x, y = torch.tensor([[0.0], [0.1], [5.0], [5.1]]), torch.tensor([0, 0, 1, 1])
    train = rows(x.repeat(5, 1), label=y.repeat(5))
    right = rows(torch.cat([x, x]), label=torch.cat([y, 1 - y]), hidden=torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]))
    model = made(train, right)
    assert (identified(0).of(model), identified(1).of(model)) == (1.0, 0.0)
    assert verified(0).of(model) == 1.0
    # those that vary most are wrong
    spread = torch.cat([torch.full((4, 1), -50.0), torch.full((4, 1), 3.0)])
    unsure = rows(torch.cat([right.anchors.tensor, spread], 1), **right.columns)
    sure = rows(torch.cat([train.anchors.tensor, torch.full((20, 1), -50.0)], 1), **train.columns)
    assert foresight.of(made(sure, unsure, objective=SoftContrastive(geometry=HedgedMatch(8)))) > 0.5


def test_new_domains_start_from_a_classifier_that_is_trained_once(monkeypatch):
    from counterpoint.testbeds import DIGITS, domains

    asked = []

    def few(most):
        asked.append(most)
        data = DIGITS.parts(0)[0][torch.arange(64)]
        return data, data

    monkeypatch.setattr(domains, "cifar10", few)
    domains._on_cifar.cache_clear()
    try:
        first, second = (domains.pretrained(few(0)[0], seed) for seed in range(2))
    finally:
        domains._on_cifar.cache_clear()
    assert asked.count(10_000) == 1
    assert first is not second
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    start = domains.network(few(0)[0], 0)
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), start.parameters(), strict=True))
    assert NEW_DOMAIN.start is domains.pretrained
