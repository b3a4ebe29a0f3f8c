"""The weights of every system after a few steps are those that it had before code moved."""

from __future__ import annotations

import json

import pytest
import torch

from counterpoint.procedures import Teacher
from counterpoint.systems import get
from systems.golden import HOW, KEPT, UNTRAINED, names, off, trained
from systems.stages import stage

GOLDEN = json.loads(KEPT.read_text())
TOLERANCE = 1e-5
"""Relative to the norm of the weights: other processors differ in the last bits."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_system_is_here_or_says_why_not():
    assert set(names()) == set(HOW) | set(UNTRAINED)
    assert set(GOLDEN) == set(HOW)


@pytest.mark.parametrize("name", sorted(HOW))
def test_weights_are_what_they_were(name):
    assert off(trained(name), GOLDEN[name]) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("simclr", {"head": None}),
        ("mochi", {"procedure": stage("moco-dual-view").procedure}),
        ("hib", {"view": lambda pixels: pixels}),
        ("dbpm", {"objective": stage("simclr").objective}),
        ("e5", {"prompts": {}}),
        ("invariant-nw-head", {"procedure": None}),
        ("simsiam", {"procedure": lambda _: Teacher(0.0)}),
        ("ncl", {"head": stage("simclr").head}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_is_switched_off_changes_them(name, without):
    assert off(trained(name, get(name).method().varied(name, **without)), GOLDEN[name]) > 10 * TOLERANCE
