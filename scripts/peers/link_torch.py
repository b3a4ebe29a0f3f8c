"""Link this interpreter's torch into another environment: `link_torch.py ENV`."""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

here = Path(sysconfig.get_paths()["purelib"])
there = next(Path(sys.argv[1]).glob("lib/python*/site-packages"))
for name in ("torch", "torchgen", "functorch", f"torch-{version('torch')}.dist-info"):
    if (here / name).exists():
        (there / name).symlink_to(here / name)
