"""Figures of losses that push and pull: numbers that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from counterpoint.objectives import MACL, Debiased, IndividualTemperature, InfoNCE, PairTemperature, Part, Sum
from counterpoint.testbeds import DIGITS, Figure, Untrained
from counterpoint.testbeds.contrast import (
    agreement,
    aligned_and_uniform,
    coupling,
    last_temperature,
    lost,
    nearest,
    odds,
    own,
    spread_of_temperatures,
    spread_over_pairs,
    taken_out,
    two_views,
    warmth_of_frequent,
)


@pytest.fixture(scope="module")
def made():
    return Untrained().made(DIGITS, DIGITS.parts(0), 0)


class Constant(torch.nn.Module):
    """Sends every vector to the same one, or to one of its own."""

    def __init__(self, alike):
        super().__init__()
        self.alike, self.seen = alike, 0

    def forward(self, h):
        return torch.ones(len(h), 2) if self.alike else torch.eye(len(h))


def test_two_views_are_of_the_same_pictures_and_follow_the_seed(made):
    first, second = two_views(made, 20)
    assert len(first) == len(second) == 20
    assert torch.equal(first.columns["label"], made.test.columns["label"][:20])
    assert torch.equal(first.columns["sample"], second.columns["sample"])
    assert first.columns["view"].tolist() == [0] * 20
    assert second.columns["view"].tolist() == [1] * 20
    assert not torch.isclose(first.z, second.z).all(1).any()
    assert torch.equal(first.z, two_views(made, 20)[0].z)
    assert torch.allclose(first.z.norm(dim=1), torch.ones(20))
    # a view is nearer to its own other one than to others
    scores = first.z @ second.z.T
    assert float(scores.diagonal().mean()) > float(scores.mean())


def test_odds_count_both_views_of_all_others():
    first, second = torch.eye(3), torch.eye(3).roll(1, 0)
    # own pair 0; others: second one 1 and 0, first ones 0 and 0
    assert odds(first, second, 1.0).tolist() == pytest.approx([math.e + 3] * 3)


def test_coupling_is_near_one_where_all_is_alike_and_near_zero_where_positives_are_found(made):
    alike = coupling.of(replace(made, head=Constant(True)))
    assert alike == pytest.approx(62 / 63, rel=1e-5)
    apart = coupling.of(replace(made, head=Constant(False)))
    assert apart == pytest.approx(62 / (62 + math.exp(10)), rel=1e-4)


class Arm:
    """A start whose seed is known."""

    def __init__(self, seed):
        self.seed = seed

    def made(self, bed, parts, seed):
        return Untrained().made(bed, parts, self.seed + seed)


def seed(made):
    return float(made.seed)


def distance(made):
    return abs(made.seed - 8.0)


def test_agreement_is_the_rank_correlation_of_two_figures():
    for arms, wanted in (([1, 2, 3], -1), ([4, 5, 6], 1)):
        arms = [Arm(n) for n in arms]
        assert agreement(DIGITS, 4, Figure("seed", seed), Figure("distance", distance), arms) == pytest.approx(wanted)


def test_what_is_lost_is_the_difference_of_two_arms():
    assert lost(DIGITS, 5, Figure("seed", seed), Arm(1), Arm(4)) == 3.0


def test_what_is_taken_out_of_the_negatives_is_known_where_all_is_alike_and_none_of_infonce(made):
    made = replace(made, head=Constant(False))
    assert taken_out.of(replace(made, objective=InfoNCE(0.5, layout="views"))) == pytest.approx(0, abs=1e-5)
    # all negatives are at 0, the positive at 1: (1 - 0.1 e^2) / 0.9
    found = taken_out.of(replace(made, objective=Debiased(0.5, prior=0.1)))
    assert found == pytest.approx(1 - (1 - 0.1 * math.exp(2)) / 0.9, rel=1e-4)


def test_the_last_temperature_is_that_of_the_last_call(made):
    loss = MACL(0.1, alpha=0.5)
    assert last_temperature.of(replace(made, objective=loss)) == pytest.approx(0.1)
    loss(torch.eye(3), torch.eye(3))
    assert last_temperature.of(replace(made, objective=loss)) == pytest.approx(0.15)


def test_warmth_is_one_where_temperatures_rise_with_the_frequency_and_zero_where_they_are_alike(made):
    loss = IndividualTemperature(len(made.train) + 5)
    made = replace(made, objective=loss, parts=(made.train[torch.arange(150)], made.test))
    assert warmth_of_frequent.of(made) == 0
    assert spread_of_temperatures.of(made) == pytest.approx(0, abs=1e-7)
    label = made.train.columns["label"]
    often = torch.bincount(label)[label].float()
    loss.tau[: len(label)] = often
    assert warmth_of_frequent.of(made) == pytest.approx(1)
    # what is kept for samples that are not there does not count
    assert spread_of_temperatures.of(made) == pytest.approx(float(often.std()))
    loss.tau[: len(label)] = 1 / often
    assert warmth_of_frequent.of(made) == pytest.approx(-1)


def test_spread_views_are_aligned_uniform_and_far_from_each_other(made):
    apart, alike = (replace(made, head=Constant(kind)) for kind in (False, True))
    # all pairs of different pictures are at a squared distance of 2, views of the same at 0
    assert aligned_and_uniform.of(apart) == pytest.approx(-4, rel=1e-4)
    assert aligned_and_uniform.of(alike) == pytest.approx(0, abs=1e-5)
    assert nearest.of(apart) == pytest.approx(0, abs=1e-6)
    assert nearest.of(alike) == pytest.approx(1)
    assert own.of(apart) == pytest.approx(1)
    sides = [side.z.tolist() for side in two_views(made)]
    pairs = [math.fsum(a * b for a, b in zip(*pair, strict=True)) for pair in zip(*sides, strict=True)]
    assert own.of(made) == pytest.approx(math.fsum(pairs) / len(pairs), rel=1e-5)
    assert 0 < own.of(made) < 1


def test_temperatures_of_pairs_are_spread_as_phi_says(made):
    class Longer(torch.nn.Module):
        def forward(self, z):
            return 100 * (2 * z - 1)

    n = 256
    first, second = (Part(PairTemperature(n, phi=Longer(), minimum=1.0, maximum=2.0), i, i + n) for i in (0, n))
    made = replace(made, head=Constant(False), objective=Sum(first, second))
    # all unit vectors of a constant head are the same or different axes; phi makes both inner products large: 1
    assert spread_over_pairs.of(made) == pytest.approx(0, abs=1e-6)
    first.objective.phi = torch.nn.Linear(n, n, bias=False)
    torch.nn.init.eye_(first.objective.phi.weight)
    # own pairs have an inner product of 1, others of 0
    own, other = (1 + 1 / (1 + math.exp(x)) for x in (1, 0))
    share = 1 / n
    assert spread_over_pairs.of(made) == pytest.approx((other - own) * math.sqrt(share * (1 - share)), rel=1e-3)
