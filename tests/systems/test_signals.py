"""What a mechanism moves inside has moved after a few steps, and nothing has collapsed: every system that names it.

A kept verdict shows it at full length, in every seed and of the code as it is (`test_ledger.py`). Of the others it was
measured and is kept (`signals.py`), with a digest of what it rests on: of other code or golden weights it is measured
again. To train them all is a slow test.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from counterpoint.data import WordNet
from counterpoint.errors import InputError
from counterpoint.systems import every, jobs
from counterpoint.tasks import Collection
from counterpoint.testbeds import Trained
from counterpoint.testbeds.files import VARIABLE
from systems import golden
from systems.signals import kept, measured, moved, rests_on, shown, small

SIGNALLED = [s for s in every() if s.signal is not None]
ALONE = [s for s in SIGNALLED if not shown(s)]
KEPT = kept()
AGAIN = "python tests/systems/signals.py"
UNMEASURED = set(Path(__file__).with_name("unmeasured.txt").read_text().split())
REAL = Path(os.environ.get(VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
TESTED = 60
"""Rows or queries, and other documents, of a real test."""


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


def some(test):
    """The first few of a test: what belongs together stands together."""
    if isinstance(test, Collection):
        return test.only(test.answers.judged[:TESTED]).among(TESTED)
    rows = torch.arange(len(test))[:TESTED]
    if test.others is not None:
        return test[rows]
    # of texts alone every one is a row
    return replace(test[rows], anchors=test.anchors[test.anchor[rows]], anchor=rows)


def wordnet() -> None:
    """Skip what needs it where it is not: it comes with the system, and not with the data."""
    try:
        WordNet()
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.skipif(not REAL.exists(), reason="no data at hand")
@pytest.mark.parametrize("s", [pytest.param(s, id=s.slug) for s in every() if s.slug in UNMEASURED])
def test_every_figure_can_be_taken_of_the_test_that_it_is_measured_on(s, monkeypatch):
    """Of raw input, and of what one step on the small data makes: a figure that fails does so after a long training."""
    monkeypatch.setenv(VARIABLE, str(REAL))
    if s.slug == "coder":
        wordnet()
    made, real = {}, {}
    asked = [each for each in jobs.asked(s) if each.place[2] in ("raw", "system") and each.arm is not None]
    for each in asked:
        arm = small(each.arm)
        if arm.key not in made:
            bed = golden.taken(s.slug, arm.make()) if isinstance(arm, Trained) else s.sample
            bed = replace(bed, steps=1, settings={**bed.settings, "batch_size": 8, "dtype": "float32"})
            made[arm.key] = arm.made(bed, (golden.sample(bed, 256), bed.parts(0)[1]), 0)
        if each.bed.name not in real:
            train, test = each.bed.parts(0)
            real[each.bed.name] = train, some(test)
        float(each.figure.of(replace(made[arm.key], parts=real[each.bed.name])))
    assert asked or all(claim.check for claim in s.claims)
