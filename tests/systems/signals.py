"""What each mechanism moves inside, after a few steps with it and with it switched off: measured, and kept.

`python tests/systems/signals.py NAME ...` measures systems (all that no verdict shows, without names) and keeps what it
found in `signals.json`, with what it rests on: the code of both arms, of the testbed and of the figure, as verdicts do,
and the golden weights, which change with whatever below changes what is trained.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from counterpoint.evaluate import mean_cosine
from counterpoint.systems import System, every, get, jobs
from counterpoint.systems.measuring import load
from counterpoint.testbeds import Arm, Richer, Trained, Tuned
from counterpoint.testbeds.combined import Combined
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.naming import digest
from systems import golden

KEPT = Path(__file__).with_name("signals.json")
STEPS, TEXTS = 12, 64
LATER = {"clusterns": 24, "defsent-plus": 36}
"""Where the mechanism begins later: when vectors are far enough apart, in the last of three stages."""


def measured(s: System) -> dict[str, float]:
    """The figure with the mechanism and without, and how alike the vectors of the system are."""
    # of texts, fewer a step: they take longer
    few = {"batch_size": TEXTS} if s.method().takes.anchors == "text" else {}
    bed = replace(s.sample, steps=LATER.get(s.slug, STEPS), settings={**s.sample.settings, **few, "dtype": "float32"})
    parts = (golden.sample(bed, 256), bed.parts(0)[1])
    found = {}
    for role, arm in (("system", s.signal.system or Trained(s.method)), ("off", s.signal.off)):
        made = small(arm).made(replace(bed, settings={**bed.settings, **rate(arm)}), parts, 0)
        found[role] = float(s.signal.figure.of(made))
        if role == "system":
            found["cosine"] = float(mean_cosine(torch.from_numpy(representation(made, parts[0]))))
    return found


def small(arm: Arm) -> Arm:
    """What stands for an arm on small data: the first of several values, which is that of the paper.

    What is trained on another testbed is trained here, and of models side by side the last, which has the mechanism.
    """
    if isinstance(arm, Tuned):
        return arm.at(arm.values[0])
    if isinstance(arm, Richer):
        return small(arm.arm)
    return small(arm.arms[-1]) if isinstance(arm, Combined) else arm


def rate(arm: Arm) -> dict[str, float]:
    """The rate of another testbed, where the arm is trained on one."""
    own = arm.bed.settings if isinstance(arm, Richer) else {}
    return {name: own[name] for name in ("learning_rate",) if name in own}


def moved(system: float, off: float) -> bool:
    """Whether it is a number, and another one without the mechanism."""
    return math.isfinite(system) and abs(system - off) > max(1e-3 * abs(off), 1e-6)


def shown(s: System) -> bool:
    """Whether the kept verdict has the signal of all seeds, moved in each."""
    verdict = load(s.slug)
    signal = verdict.signal if verdict is not None else None
    return bool(signal) and all(map(moved, signal["system"], signal["off"]))


def rests_on(s: System) -> str:
    """A digest of the golden weights and of all code that is measured: both arms, the small testbed, the figure."""
    weights = json.loads(golden.KEPT.read_text()).get(s.slug)
    keys = [jobs._key(arm, s.sample) for arm in (s.signal.system or Trained(s.method), s.signal.off)]
    figure = jobs.Asked((s.slug, "signal", ""), None, None, s.signal.figure, "").figure_key
    return digest(*keys, figure, json.dumps(weights))


def kept() -> dict[str, dict[str, Any]]:
    """What was measured, by system."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def main() -> None:
    found = kept()
    found = {s.slug: found[s.slug] for s in every() if s.slug in found and not shown(s)}
    named = [get(name) for name in sys.argv[1:]] or [s for s in every() if s.signal is not None and not shown(s)]
    for s in named:
        found[s.slug] = {"of": rests_on(s), **measured(s)}
        print(s.slug, found[s.slug], flush=True)
    lines = ",\n".join(f'"{name}": {json.dumps(found[name])}' for name in sorted(found))
    KEPT.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    main()
