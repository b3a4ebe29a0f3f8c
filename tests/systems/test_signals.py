"""What a mechanism moves inside has moved after a few steps, and nothing has collapsed: every system that names it.

Where a kept verdict shows the same at full length, in every seed and of the code as it is (`test_ledger.py`), a few
steps say nothing more, and are a slow test.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from counterpoint.evaluate import mean_cosine
from counterpoint.systems import every
from counterpoint.systems.measuring import load
from counterpoint.testbeds import Trained, Tuned
from counterpoint.testbeds.figures import representation
from systems.golden import sample

STEPS, TEXTS = 12, 64
LATER = {"clusterns": 24}
"""Where the mechanism begins later: when vectors are far enough apart."""
SIGNALLED = [s for s in every() if s.signal is not None]


def moved(system, off):
    return math.isfinite(system) and system != pytest.approx(off, rel=1e-3, abs=1e-6)


def shown(s):
    """Whether the kept verdict has the signal of all seeds, moved in each."""
    verdict = load(s.slug)
    signal = verdict.signal if verdict is not None else None
    return bool(signal) and all(map(moved, signal["system"], signal["off"]))


@pytest.mark.parametrize(
    "s", [pytest.param(s, id=s.slug, marks=[pytest.mark.slow] if shown(s) else ()) for s in SIGNALLED]
)
def test_the_mechanism_moves_its_signal_and_nothing_collapses(s):
    import torch

    # of texts, fewer a step: they take longer
    few = {"batch_size": TEXTS} if s.method().takes.anchors == "text" else {}
    bed = replace(s.sample, steps=LATER.get(s.slug, STEPS), settings={**s.sample.settings, **few, "dtype": "float32"})
    parts = (sample(bed, 256), bed.parts(0)[1])
    found = {}
    for role, arm in (("system", s.signal.system or Trained(s.method)), ("off", s.signal.off)):
        # the first value is that of the paper
        made = (arm.at(arm.values[0]) if isinstance(arm, Tuned) else arm).made(bed, parts, 0)
        found[role] = s.signal.figure.of(made)
        if role == "system":
            assert mean_cosine(torch.from_numpy(representation(made, parts[0]))) < 0.999
    assert moved(found["system"], found["off"])


def test_every_system_that_trains_names_its_signal_or_measures_by_a_check():
    silent = [s.name for s in every() if s.claims and s.signal is None and not any(c.check for c in s.claims)]
    assert silent == []
