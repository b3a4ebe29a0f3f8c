"""Every system trains what its method says: the weights after a few steps are kept. Variants' are slow tests."""

from __future__ import annotations

import json

import pytest
import torch

from counterpoint.systems import every, get
from counterpoint.systems.registry import slug
from systems.golden import KEPT, PROCESSOR, names, off, trained

GOLDEN = json.loads(KEPT.read_text())
TOLERANCE = 1e-5
"""Relative to the norm of the weights, with the instructions that they were kept with.

With others the last bits differ, which Adam's first steps make 1e-4 to 5e-2 of.
"""
here = torch.backends.cpu.get_cpu_capability()
pytestmark = pytest.mark.skipif(here != PROCESSOR, reason=f"weights were kept with {PROCESSOR}, and this is {here}")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_system_is_here():
    assert set(names()) == set(GOLDEN)


VARIANTS = {slug(name) for s in every() for name in s.variants}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in VARIANTS else ()) for n in names()])
def test_weights_are_what_they_were(name):
    assert off(trained(name), GOLDEN[name]) < TOLERANCE


def test_what_is_switched_off_changes_them():
    method = get("simclr").method().varied("simclr", head=None)
    assert off(trained("simclr", method), GOLDEN["simclr"]) > 10 * TOLERANCE
