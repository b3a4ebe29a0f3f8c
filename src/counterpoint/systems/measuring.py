"""Verdicts: what the claims came to when they were measured, kept as data.

The rule, the same for every claim and written before any was measured: over the seeds, take the paired difference of
the system and its baseline, signed so that the paper's direction is up, and its 95% interval (Student's t over seeds).
Above 0: *reproduced*. Below 0: *contradicted*. Else: *not reproduced at this scale*. Where training ended in a collapse
there is no verdict: *this set-up cannot tell*.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint.errors import InputError
from counterpoint.files import write_json
from counterpoint.systems.registry import Claim, Pair, Say, System

FOLDER = Path(__file__).with_name("verdicts")
SEEDS = tuple(range(5))
REPRODUCED, NOT_HERE, CONTRADICTED = "reproduced", "not reproduced at this scale", "contradicted"
CANNOT_TELL = "this set-up cannot tell"
_PACKAGE = "counterpoint.systems"


@dataclass(frozen=True)
class Outcome:
    """One measured claim.

    Attributes:
        text: The claim.
        metric: What was measured.
        baseline: What the system was compared with.
        better: The paper's direction.
        system_values: The system's figure for each seed.
        baseline_values: The baseline's.
        value: Mean paired difference, system minus baseline.
        interval: Its 95% interval over seeds.
        verdict: By the rule of this module.
        reason: Why the set-up cannot tell, if it cannot.
    """

    text: str
    metric: str
    baseline: str
    better: str
    system_values: list[float]
    baseline_values: list[float]
    value: float
    interval: tuple[float, float]
    verdict: str
    reason: str = ""

    @property
    def system_value(self) -> float:
        """The system's mean over seeds."""
        return float(np.mean(self.system_values))

    @property
    def baseline_value(self) -> float:
        """The baseline's mean over seeds."""
        return float(np.mean(self.baseline_values))


@dataclass(frozen=True)
class Verdict:
    """What `verify` found of a system, and under which conditions.

    Attributes:
        system: Its name.
        date: When.
        seeds: One measurement each.
        outcomes: One a claim, the main one first.
        figures: Further figures, mean over seeds.
        code: Fingerprint of the system's own code (`fingerprint`).
        commit: Of the repository, or "" outside one; with `+` if it had changes.
        versions: Of what it ran on.
        seconds: How long it took.
    """

    system: str
    date: str
    seeds: list[int]
    outcomes: list[Outcome]
    figures: dict[str, float]
    code: str
    commit: str
    versions: dict[str, str]
    seconds: float


def difference_interval(pairs: Sequence[Pair], level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Mean paired difference (first minus second) and its t-interval, `mean -+ t_{n-1} s / sqrt(n)`.

    Args:
        pairs: System and baseline, one pair a seed, two or more.
        level: Of the interval.

    Raises:
        InputError: for fewer than two pairs.

    Examples:
        >>> value, (low, high) = difference_interval([(1.0, 0.0), (2.0, 0.0), (3.0, 0.0)])
        >>> value, round(low, 3), round(high, 3)  # 2 -+ 4.3027 / sqrt(3)
        (2.0, -0.484, 4.484)
    """
    from scipy.stats import t

    if len(pairs) < 2:
        raise InputError("an interval over seeds needs two seeds or more", fix="use 5")
    d = np.array([pair[0] - pair[1] for pair in pairs])
    half = float(t.ppf((1 + level) / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5)
    mean = float(d.mean())
    return mean, (mean - half, mean + half)


def judge_interval(interval: tuple[float, float], better: str) -> str:
    """The verdict on an interval of system minus baseline, by the rule of this module.

    Examples:
        >>> judge_interval((-0.2, -0.1), "lower"), judge_interval((-0.1, 0.2), "higher")
        ('reproduced', 'not reproduced at this scale')
    """
    low, high = interval if better == "higher" else (-interval[1], -interval[0])
    return REPRODUCED if low > 0 else CONTRADICTED if high < 0 else NOT_HERE


def outcome(claim: Claim, pairs: Sequence[Pair], reason: str = "") -> Outcome:
    """A claim with its measurements, and its verdict if there is no reason why there is none.

    Examples:
        >>> made = outcome(Claim("it helps", "accuracy", "nothing"), [(0.1, 0.0), (0.1, 0.0)], "everything is the same")
        >>> made.verdict
        'this set-up cannot tell'
    """
    value, interval = difference_interval(pairs)
    return Outcome(
        **asdict(claim),
        system_values=[pair[0] for pair in pairs],
        baseline_values=[pair[1] for pair in pairs],
        value=value,
        interval=interval,
        verdict=CANNOT_TELL if reason else judge_interval(interval, claim.better),
        reason=reason,
    )


def collapsed(pairs: Sequence[Pair]) -> str:
    """In how many seeds a run had collapsed, and the first of them in words; "" if none had.

    Examples:
        >>> collapsed([(1.0, 0.0), (1.0, 0.0, "SimCLR: complete collapse")])
        'collapsed in 1 of 2 seeds (SimCLR: complete collapse)'
    """
    said = [pair[2] for pair in pairs if len(pair) == 3 and pair[2]]
    return f"collapsed in {len(said)} of {len(pairs)} seeds ({said[0]})" if said else ""


def verify(system: System, *, seeds: Iterable[int] = SEEDS, say: Say = lambda _: None) -> Verdict:
    """Measure a system's claims, one measurement a seed; nothing is stored.

    Args:
        system: The system.
        seeds: Two or more.
        say: Told of each seed.

    Raises:
        InputError: for fewer than two seeds, or a survey, which claims nothing.
    """
    if system.measure is None:
        raise InputError(f"{system.name} claims nothing that can be measured", fix=f"counterpoint run {system.slug}")
    started, seeds = time.monotonic(), list(seeds)
    if len(seeds) < 2:
        raise InputError("an interval over seeds needs two seeds or more", fix="use 5")
    measured, figures = [], []
    for seed in seeds:
        pairs, more = system.measure(seed)
        measured.append(pairs)
        figures.append(more)
        said = "; ".join(f"{c.metric} {p[0]:.4g} against {p[1]:.4g}" for c, p in zip(system.claims, pairs, strict=True))
        say(f"{system.name}, seed {seed}: {said}")
    return Verdict(
        system=system.name,
        date=date.today().isoformat(),
        seeds=seeds,
        outcomes=[
            outcome(c, pairs, collapsed(pairs))
            for c, pairs in zip(system.claims, zip(*measured, strict=True), strict=True)
        ],
        figures={name: float(np.mean([f[name] for f in figures])) for name in figures[0]},
        code=fingerprint(system.module),
        commit=_commit(),
        versions=_versions(),
        seconds=round(time.monotonic() - started, 1),
    )


def carry(system: System, verdict: Verdict, *, seed: int = 0) -> Verdict | None:
    """A verdict of older code as one of the code as it is, if one seed measured again comes to the same; else None.

    For code that moved: figures are the same if they differ by at most 1e-6 of their size, and none has collapsed.

    Args:
        system: The system.
        verdict: What is kept of it.
        seed: The place among the verdict's seeds of the one that is measured.

    Raises:
        InputError: The system claims nothing.
    """
    if system.measure is None:
        raise InputError(f"{system.name} claims nothing that can be measured", fix="leave it out")
    pairs, _ = system.measure(verdict.seeds[seed])
    kept = [(o.system_values[seed], o.baseline_values[seed]) for o in verdict.outcomes]
    same = len(pairs) == len(kept) and all(
        np.allclose(pair[:2], before, rtol=1e-6, atol=1e-9) for pair, before in zip(pairs, kept, strict=True)
    )
    if not same or any(
        o.verdict != CANNOT_TELL and collapsed([p]) for o, p in zip(verdict.outcomes, pairs, strict=True)
    ):
        return None
    return replace(verdict, code=fingerprint(system.module), commit=_commit())


def save(verdict: Verdict, slug: str, folder: Path = FOLDER) -> Path:
    """Keep a verdict as JSON, atomically; gives the file."""
    file = folder / f"{slug}.json"
    write_json(file, asdict(verdict))
    return file


def load(slug: str, folder: Path = FOLDER) -> Verdict | None:
    """The verdict that is kept of a system; None if it was never measured.

    Raises:
        InputError: if the file is damaged.
    """
    file = folder / f"{slug}.json"
    if not file.exists():
        return None
    try:
        about = json.loads(file.read_text())
        outcomes = [Outcome(**{**o, "interval": tuple(o["interval"])}) for o in about.pop("outcomes")]
        return Verdict(outcomes=outcomes, **about)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the verdict cannot be read ({error})", file=file, fix=f"run: counterpoint verify {slug}"
        ) from error


def current(system: System, verdict: Verdict) -> bool:
    """Whether a verdict is of the system's code as it is."""
    return verdict.code == fingerprint(system.module)


def fingerprint(module: str) -> str:
    """A digest of a system's module and of what it imports from this package, without comments, docstrings and imports.

    It changes when the recipe or the measurement changes, so that the verdict must be measured again; not with the
    core below, whose own tests hold it to its equations.
    """
    seen: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        spec = importlib.util.find_spec(name)
        if name in seen or spec is None or spec.origin is None:
            continue
        tree = ast.parse(Path(spec.origin).read_text("utf-8"))
        # the list is made before anything is taken out
        for node in list(ast.walk(tree)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_PACKAGE}."):
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                todo += [str(node.module), *(i for i in inside if _exists(i))]
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [s for s in body if not _is_words(s)]  # type: ignore[attr-defined]
        seen[name] = ast.dump(tree)
    mine = {name: tree for name, tree in seen.items() if name.rpartition(".")[2] not in ("registry", "measuring")}
    return hashlib.blake2b(json.dumps(mine, sort_keys=True).encode(), digest_size=8).hexdigest()


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _is_words(statement: ast.stmt) -> bool:
    """A docstring or an import, which do nothing by themselves."""
    text = isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
    return text or isinstance(statement, ast.Import | ast.ImportFrom)


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    packages = ("counterpoint", "torch", "numpy", "scikit-learn", "transformers")
    return {
        "python": platform.python_version(),
        **{p: version(p) for p in packages},
        "threads": str(torch.get_num_threads()),
        "machine": platform.machine(),
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(FOLDER.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.CalledProcessError):
        return ""


def entry(system: System, verdict: Verdict | None) -> dict[str, Any]:
    """What `counterpoint systems --json` says of a system; figures are null until measured, a survey's claim is."""
    claims = []
    for i, claim in enumerate(system.claims):
        about: dict[str, Any] = {
            **asdict(claim),
            "value": None,
            "interval": None,
            "seeds": None,
            "verdict": None,
            "date": None,
        }
        if verdict is not None:
            o = verdict.outcomes[i]
            about |= {
                "system_value": o.system_value,
                "baseline_value": o.baseline_value,
                "value": o.value,
                "interval": list(o.interval),
                "seeds": len(verdict.seeds),
                "verdict": o.verdict,
                "reason": o.reason,
                "date": verdict.date,
                "current": current(system, verdict),
            }
        claims.append(about)
    return {
        "title": system.title,
        "name": system.name,
        "year": system.year,
        "family": system.family,
        "run": f"counterpoint run {system.slug}",
        "mechanism": system.mechanism,
        "variants": sorted(system.variants),
        "setup": system.setup,
        "claim": claims[0] if claims else None,
        "further_claims": claims[1:],
    }
