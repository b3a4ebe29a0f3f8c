"""Verdicts: what measured claims came to by the rule (`counterpoint.systems.rule`), kept as data."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint.errors import InputError
from counterpoint.files import with_nan, without_nan, write_json
from counterpoint.systems import jobs
from counterpoint.systems.registry import ARMS, Claim, System
from counterpoint.systems.rule import CANNOT_TELL, difference_interval, judge_interval, why_not
from counterpoint.testbeds import Tuned

FOLDER = Path(__file__).with_name("verdicts")
SEEDS = tuple(range(5))


@dataclass(frozen=True)
class Outcome:
    """One measured claim.

    Attributes:
        text: The claim.
        metric: What was measured.
        baseline: What the system was compared with.
        better: The paper's direction.
        bed: Where.
        values: Of each arm (`counterpoint.systems.registry.ARMS`) the figure for each seed.
        value: Mean paired difference, system minus baseline.
        interval: Its 95% interval over seeds.
        verdict: By the rule (`counterpoint.systems.rule`).
        reason: Why the set-up cannot tell, if it cannot.
        margin: Of "as good as".
        steps: Of training, by arm.
        chosen: The setting that each tuned arm was measured with.
    """

    text: str
    metric: str
    baseline: str
    better: str
    bed: str
    values: dict[str, list[float]]
    value: float
    interval: tuple[float, float]
    verdict: str
    reason: str = ""
    margin: float = 0.0
    steps: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, float] = field(default_factory=dict)

    def mean(self, arm: str) -> float | None:
        """An arm's mean over seeds; None if it was not measured."""
        return float(np.mean(self.values[arm])) if arm in self.values else None

    @property
    def system_value(self) -> float:
        """The system's mean over seeds."""
        return float(np.mean(self.values["system"]))

    @property
    def baseline_value(self) -> float:
        """The baseline's mean over seeds."""
        return float(np.mean(self.values["baseline"]))


@dataclass(frozen=True)
class Verdict:
    """What `verify` found of a system, and under which conditions.

    Attributes:
        system: Its name.
        date: When.
        seeds: One measurement each.
        outcomes: One a claim, the main one first.
        signal: What the mechanism moves, and its value for each seed with it (`system`) and without (`off`).
        figures: All figures of the main claim's testbed, of the system, one a seed.
        code: Digest of what was measured (`counterpoint.systems.jobs.code`).
        commit: Of the repository, or "" outside one; with `+` if it had changes.
        versions: Of what it ran on.
    """

    system: str
    date: str
    seeds: list[int]
    outcomes: list[Outcome]
    signal: dict[str, Any]
    figures: dict[str, list[float]]
    code: str
    commit: str
    versions: dict[str, str]


def outcome(
    claim: Claim, rows: Sequence[Mapping[str, Any]], signal: Mapping[str, Any], chosen: dict[str, float]
) -> Outcome:
    """A claim with its measurements, and its verdict if there is no reason why there is none.

    Args:
        claim: It.
        rows: For each seed `values`, `collapsed` and `steps` by arm, see `counterpoint.systems.jobs.values`.
        signal: What the mechanism moves; empty where the system names nothing.
        chosen: The setting of each tuned arm.
    """
    values = {arm: [float(row["values"][arm]) for row in rows] for arm in ARMS if arm in rows[0]["values"]}
    if isinstance(claim.ceiling, float | int):
        values["ceiling"] = [float(claim.ceiling)] * len(rows)
    collapsed = {arm: [str(row["collapsed"].get(arm, "")) for row in rows] for arm in values}
    value, interval = difference_interval(list(zip(values["system"], values["baseline"], strict=True)))
    floors = [floor for floor in claim.floors if floor in values]
    spread = not isinstance(claim.figure, str) and claim.figure.spread
    about: dict[str, Any] = {"better": claim.better, "floors": floors, "collapsed": collapsed, "spread": spread}
    reason = why_not(values, **about, signal=signal)
    return Outcome(
        text=claim.text,
        metric=claim.metric,
        baseline=claim.against,
        better=claim.better,
        bed="" if claim.bed is None else claim.bed.name,
        values=values,
        value=value,
        interval=interval,
        verdict=CANNOT_TELL if reason else judge_interval(interval, claim.better, claim.margin),
        reason=reason,
        margin=claim.margin,
        steps=dict(rows[0]["steps"]),
        chosen=chosen,
    )


def judged(system: System, seeds: Iterable[int] = SEEDS, folder: Path | None = None) -> Verdict:
    """The verdict on what was measured of a system (`counterpoint.systems.jobs.measure`).

    Args:
        system: It.
        seeds: Two or more.
        folder: Where arms are kept.

    Raises:
        InputError: for fewer than two seeds, something that was not measured, or a survey, which claims nothing.
    """
    if not system.claims:
        raise InputError(f"{system.name} claims nothing that can be measured", fix=f"counterpoint run {system.slug}")
    seeds = list(dict.fromkeys(seeds))
    if len(seeds) < 2:
        raise InputError("an interval over seeds needs two seeds or more", fix="use 5")
    found = [jobs.values(system, seed, folder) for seed in seeds]
    signal: dict[str, Any] = {}
    if system.signal is not None:
        signal = {"name": system.signal.figure.name} | {
            arm: [float(row["signal"]["values"][arm]) for row in found] for arm in ("system", "off")
        }
    tuned = [each for each in jobs.asked(system) if isinstance(each.arm, Tuned)]
    outcomes = []
    for i, claim in enumerate(system.claims):
        chosen = {each.place[2]: jobs.chosen(each, folder) for each in tuned if each.place[1] == str(i)}
        outcomes.append(outcome(claim, [row[str(i)] for row in found], signal if moves(system, i) else {}, chosen))
    return Verdict(
        system=system.name,
        date=date.today().isoformat(),
        seeds=seeds,
        outcomes=outcomes,
        signal=signal,
        figures={name: [float(row["0"]["figures"][name]) for row in found] for name in found[0]["0"]["figures"]},
        code=jobs.code(system),
        commit=_commit(),
        versions=_versions(),
    )


def moves(system: System, i: int) -> bool:
    """Whether the signal is of the mechanism that a claim is about: the main one, or one against its absence.

    The system's method has it, as it is or tuned, or what the signal names in its place: it says nothing of a claim
    that another method stands for.
    """
    claim = system.claims[i]
    if system.signal is None or claim.check is not None:
        return False
    own = claim.system is None or getattr(claim.system, "make", None) is system.method
    named = system.signal.system is not None and getattr(claim.system, "key", "") == system.signal.system.key
    if not own and not named:
        return False
    without = system.signal.off.key
    return i == 0 or any(getattr(arm, "key", "") == without for arm in (claim.baseline, claim.off))


def save(verdict: Verdict, slug: str, folder: Path = FOLDER) -> Path:
    """Keep a verdict as JSON, atomically; gives the file."""
    file = folder / f"{slug}.json"
    write_json(file, without_nan(asdict(verdict)))
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
        about = with_nan(json.loads(file.read_text("utf-8")))
        outcomes = [Outcome(**{**o, "interval": tuple(o["interval"])}) for o in about.pop("outcomes")]
        return Verdict(outcomes=outcomes, **about)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the verdict cannot be read ({error})", file=file, fix=f"run: counterpoint verify {slug}"
        ) from error


def current(system: System, verdict: Verdict) -> bool:
    """Whether a verdict is of the system's code as it is."""
    return verdict.code == jobs.code(system)


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    packages = ("counterpoint", "torch", "numpy", "scikit-learn", "transformers")
    return {
        "python": platform.python_version(),
        **{p: version(p) for p in packages},
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        **({"device": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
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
            "text": claim.text, "metric": claim.metric, "baseline": claim.against, "better": claim.better,
            "value": None, "interval": None, "seeds": None, "verdict": None, "date": None,
        }  # fmt: skip
        if verdict is not None and i < len(verdict.outcomes):
            o = verdict.outcomes[i]
            about |= {
                "testbed": o.bed,
                "arms": {arm: o.mean(arm) for arm in ARMS if arm in o.values},
                "value": o.value,
                "interval": list(o.interval),
                "seeds": len(verdict.seeds),
                "verdict": o.verdict,
                "reason": o.reason,
                "date": verdict.date,
                "current": current(system, verdict),
            }
        claims.append(about)
    return without_nan({  # type: ignore[no-any-return]
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
    })  # fmt: skip
