"""What a mechanism moves inside has moved after a few steps, and nothing has collapsed: every system that names it.

A kept verdict shows it at full length, in every seed and of the code as it is (`test_ledger.py`). Of the others it was
measured and is kept (`signals.py`), with a digest of what it rests on: of other code or golden weights it is measured
again. To train them all is a slow test.
"""

from __future__ import annotations

import pytest

from counterpoint.systems import every
from systems.signals import kept, measured, moved, rests_on, shown

SIGNALLED = [s for s in every() if s.signal is not None]
ALONE = [s for s in SIGNALLED if not shown(s)]
KEPT = kept()
AGAIN = "python tests/systems/signals.py"


@pytest.mark.parametrize("s", [pytest.param(s, id=s.slug) for s in ALONE])
def test_the_mechanism_moved_its_signal_and_nothing_collapsed(s):
    found = KEPT.get(s.slug)
    assert found is not None, f"not measured: {AGAIN} {s.slug}"
    assert found["of"] == rests_on(s), f"measured of other code or weights: {AGAIN} {s.slug}"
    assert moved(found["system"], found["off"])
    assert found["cosine"] < 0.999


def test_nothing_is_kept_that_a_verdict_shows():
    assert set(KEPT) == {s.slug for s in ALONE}


@pytest.mark.slow
@pytest.mark.parametrize("s", [pytest.param(s, id=s.slug) for s in SIGNALLED])
def test_the_mechanism_moves_its_signal_and_nothing_collapses(s):
    found = measured(s)
    assert moved(found["system"], found["off"])
    assert found["cosine"] < 0.999


def test_every_system_that_trains_names_its_signal_or_measures_by_a_check():
    silent = [s.name for s in every() if s.claims and s.signal is None and not any(c.check for c in s.claims)]
    assert silent == []
