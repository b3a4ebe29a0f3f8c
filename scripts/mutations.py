"""Take the mechanism out of a system, one at a time, and see whether its mechanism test notices.

Each line changes one expression in a copy of the sources and runs the test that the ledger names for the system; the
test must fail. Exit code 1 if one passes all the same, or if an expression is no longer there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

MUTATIONS = [
    ("SimCLR", "systems/core/simclr.py", 'InfoNCE(0.5, layout="views")', 'InfoNCE(0.5, layout="one-way")'),
    ("NT-Xent-AM", "objectives/softmax.py", "return scores - scale * self.margin", "return scores"),
    ("Debiased CL", "objectives/softmax.py", "if self.prior:", "if False:"),
    ("MACL", "objectives/adaptive.py", "1 + self.alpha * (mean - self.threshold)", "1 + 0 * (mean - self.threshold)"),
    ("iSogCLR", "objectives/adaptive.py", "self.tau[ids] - self.rate * self.direction[ids]", "self.tau[ids]"),
    ("AMCL", "objectives/adaptive.py", "torch.sigmoid(-block.guide)", "torch.sigmoid(0 * block.guide)"),
    ("CACR", "objectives/attraction.py", "_weighted(-block.scores, block.negative, -self.negative)",
     "_weighted(-block.scores, block.negative, 0.0)"),
    ("GroCo", "objectives/sorting.py", "torch.atan(steepness * (b - a))", "torch.atan(0 * (b - a))"),
    ("SwAV", "objectives/clusters.py", "logs = torch.log_softmax(logs, 0)", "logs = logs"),
    ("SimSiam", "procedures/siamese.py", "return points.with_z(points.z.detach())", "return points"),
    ("MoCHi", "procedures/mixing.py", "torch.rand(len(q), self.with_query, 1).to(q) / 2",
     "torch.rand(len(q), self.with_query, 1).to(q) + 1"),
    ("NCL", "heads/constraint.py", "value = F.relu(z)", "value = z"),
    ("DBPM", "objectives/history.py", "torch.where(bad, density, 1.0)", "torch.where(bad, 1.0, 1.0)"),
    ("CCL-K", "objectives/conditional.py", "(values / (values + self.ridge)).sqrt()", "values.sqrt()"),
    ("Decoupled Uniformity", "objectives/distribution.py", "index_add(0, place, every.z) / number",
     "index_add(0, place, every.z)"),
    ("PNDA", "systems/core/pnda.py", "torch.where(agnostic.to(z.device), rows.repeat(3).to(z.device), -1)",
     "torch.where(agnostic.to(z.device), -1, -1).expand(3 * n)"),
]  # fmt: skip


def main() -> int:
    sys.path.insert(0, str(ROOT / "src"))
    from counterpoint.systems import get

    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        for name, path, old, new in MUTATIONS:
            test, file = get(name).mechanism, copy / "counterpoint" / path
            before = file.read_text()
            if old not in before:
                print(f"{name:22} {path}: no longer has {old!r}")
                missed += 1
                continue
            file.write_text(before.replace(old, new, 1))
            environment = os.environ | {"PYTHONPATH": f"{copy}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
            # 1 is a failed test; anything else is no proof
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            file.write_text(before)
            noticed = done.returncode == 1
            missed += not noticed
            print(f"{name:22} {'noticed' if noticed else 'NOT NOTICED'}: {test.rpartition('::')[2]}", flush=True)
    print(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
