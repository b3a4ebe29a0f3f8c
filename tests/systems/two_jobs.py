"""Measures fake systems in several processes: FOLDER JOBS SEEDS; those that it starts import it, too."""

from __future__ import annotations

import sys
from pathlib import Path

from counterpoint.systems import jobs
from counterpoint.systems.registry import Registry
from systems import fakes

REGISTRY = fakes.register(Registry())
if __name__ in ("__main__", "__mp_main__"):  # not where it is only read
    jobs.get = REGISTRY.get

if __name__ == "__main__":
    folder, processes, seeds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chosen = [REGISTRY.get(name) for name in ("real", "tuned", "missing")]
    failed = jobs.measure(chosen, range(seeds), folder=folder, jobs=processes)
    print(*failed)
