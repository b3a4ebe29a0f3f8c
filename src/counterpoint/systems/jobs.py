"""Measuring: every arm of every claim once a seed, side by side in processes, kept as soon as it is known."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias

import torch

from counterpoint.errors import InputError
from counterpoint.files import check_output, with_nan, without_nan, write_json
from counterpoint.systems.fingerprints import fingerprint
from counterpoint.systems.registry import Claim, Say, System, get
from counterpoint.testbeds import Arm, Figure, Made, Parts, Seen, Testbed, Trained, Tuned, Untrained
from counterpoint.testbeds.naming import digest, root

CHOOSING = 1000
"""The seed whose training part settings are chosen on; no verdict is measured with it."""
_DEV = 0.25
Place: TypeAlias = tuple[str, str, str]
"""Which arm: the system's slug, the number of the claim or `signal`, and the role."""


def cache_folder() -> Path:
    """Where arms are kept: `counterpoint/arms` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterpoint" / "arms"


@dataclass(frozen=True)
class Asked:
    """A figure of an arm on a testbed, or what a check measures.

    Attributes:
        place: Where it is asked for.
        arm: None: a check.
        bed: Of the arm.
        figure: Of the arm.
        key: Of arm and testbed with their code: equal keys are one training.
        value: Of a tuned arm, where it is one of its tries.
    """

    place: Place
    arm: Arm | None
    bed: Testbed | None
    figure: Figure | None
    key: str
    value: float | None = None

    @property
    def figure_key(self) -> str:
        """The figure's name with its code."""
        if self.figure is None:
            return "check"
        return f"{self.figure.name} {_code_of(self.figure.of)}"


def asked(system: System) -> list[Asked]:
    """All that a system's verdict rests on."""
    found = list[Asked]()
    for i, claim in enumerate(system.claims):
        if claim.check is not None:
            key = digest("check", _code_of(claim.check))
            found.append(Asked((system.slug, str(i), "check"), None, None, None, key))
            continue
        assert claim.bed is not None
        figure = claim.figure
        assert isinstance(figure, Figure)
        own = claim.system.arm if isinstance(claim.system, Seen) else claim.system
        itself = own or Trained(system.method)
        for role, arm in arms(system, claim).items():
            measured = arm.figure if isinstance(arm, Seen) else figure
            seen = (arm.arm or itself) if isinstance(arm, Seen) else arm
            found.append(_ask((system.slug, str(i), role), seen, claim.bed, measured))
    if system.signal is not None:
        bed = system.signal.bed or system.claims[0].bed
        assert bed is not None
        for role, arm in (("system", system.signal.system or Trained(system.method)), ("off", system.signal.off)):
            found.append(_ask((system.slug, "signal", role), arm, bed, system.signal.figure))
    return found


def arms(system: System, claim: Claim) -> dict[str, Arm | Seen]:
    """What a claim is measured on, by role."""
    assert claim.bed is not None
    assert claim.baseline is not None
    # the start of a testbed is the same for all, unless a method changes it or puts its prompts before texts
    method = system.method()
    shared = claim.bed.start is not None and not method.prompts and method.adapt is None
    untrained = Untrained() if shared else Untrained(system.method)
    floors: dict[str, Arm | Seen | None] = {"raw": claim.bed.raw, "untrained": untrained}
    ceiling = claim.ceiling if claim.ceiling is not None else claim.bed.ceiling
    found: dict[str, Arm | Seen | float | None] = {
        **{floor: floors[floor] for floor in claim.floors},
        "baseline": claim.baseline,
        "off": claim.off,
        "system": claim.system or Trained(system.method),
        "ceiling": ceiling,
    }
    return {role: arm for role, arm in found.items() if arm is not None and not isinstance(arm, float | int)}


def code(system: System) -> str:
    """A digest of all that a system's verdict rests on, to know whether it is of the code as it is."""
    rules = [f"{claim.better} {claim.margin} {_number(claim.ceiling)}" for claim in system.claims]
    return digest(*(f"{each.place[1:]} {each.key} {each.figure_key}" for each in asked(system)), *rules)


def measure(
    systems: Sequence[System],
    seeds: Iterable[int],
    *,
    folder: Path | None = None,
    jobs: int = 1,
    say: Say = lambda _: None,
    on_done: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, InputError]:
    """Measure whatever is not kept yet; killed at any time, the same call goes on.

    Args:
        systems: Whose claims.
        seeds: One measurement each.
        folder: Where arms are kept; see `cache_folder`.
        jobs: Processes side by side, each of as many threads as there are processors to each.
        say: Told of each arm.
        on_done: Told how many of how many are done.

    Returns:
        What kept a system from being measured, by slug.

    Raises:
        InputError: A seed that settings are chosen with, no process, or a folder that cannot be written.
    """
    folder, seeds, failed = folder or cache_folder(), list(dict.fromkeys(seeds)), dict[str, InputError]()
    if CHOOSING in seeds:
        raise InputError(f"settings are chosen with seed {CHOOSING}", fix="measure with others")
    if jobs < 1:
        raise InputError("measuring needs a process", fix="give 1 or more")
    check_output(folder)
    threads = max(1, (os.cpu_count() or 1) // jobs)

    def work(stage: list[tuple[list[Asked], int]]) -> None:
        todo = [(group, seed) for group, seed in stage if _missing(group, seed, folder)]
        tasks = [([(each.place, each.value) for each in group], seed) for group, seed in todo]
        for done, (index, outcome) in enumerate(_run(tasks, folder, jobs, threads), 1):
            group, seed = todo[index]
            if isinstance(outcome, InputError):
                failed.update({each.place[0]: outcome for each in group})
            else:
                say(f"{group[0].place[0]}, seed {seed}: {outcome}")
            on_done(done, len(todo))

    every = [each for system in systems for each in asked(system)]
    tries = [one for each in every if isinstance(each.arm, Tuned) for one in _tries(each)]
    work([(group, CHOOSING) for group in _groups(tries)])
    # two claims may choose differently, so that arms are grouped as they were settled
    settled = [_settled(each, folder) for each in every if each.place[0] not in failed]
    work([(group, seed) for seed in seeds for group in _groups(settled)])
    return failed


def values(system: System, seed: int, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """What was measured of a system with one seed: by claim (its number, or `signal`) a value for each role.

    Beside `collapsed` (role to words), `steps`, and `figures`: all figures of the testbed, of the system.

    Raises:
        InputError: Something was not measured.
    """
    folder, found = folder or cache_folder(), dict[str, dict[str, Any]]()
    for each in asked(system):
        _, number, role = each.place
        row = found.setdefault(number, {"values": {}, "collapsed": {}, "steps": {}, "figures": {}})
        kept = _kept(_settled(each, folder), seed, folder)
        if each.figure_key not in kept.get("figures", {}):
            raise InputError(f"{system.name}: {role} was not measured with seed {seed}", fix="measure it first")
        value = kept["figures"][each.figure_key]
        row["values"] |= value if each.arm is None else {role: value}
        if kept["collapsed"]:
            row["collapsed"][role] = f"{kept['name']}: {kept['collapsed']}"
        row["steps"][role] = kept["steps"]
        if role == "system" and each.bed is not None:
            keys = {replace(each, figure=figure).figure_key: figure.name for figure in each.bed.figures}
            row["figures"] = {name: kept["figures"][key] for key, name in keys.items() if key in kept["figures"]}
    return found


def chosen(each: Asked, folder: Path | None = None) -> float:
    """The value that a tuned arm was measured with: the best on the validation part."""
    folder = folder or cache_folder()
    assert isinstance(each.arm, Tuned)
    slug, number, _ = each.place
    lower = number != "signal" and get(slug).claims[int(number)].better == "lower"
    scores = [_kept(one, CHOOSING, folder)["figures"][one.figure_key] for one in _tries(each)]
    # one that is not a number is never the best
    ranked = [-math.inf if not math.isfinite(score) else -score if lower else score for score in scores]
    return each.arm.values[ranked.index(max(ranked))]


def _ask(place: Place, arm: Arm, bed: Testbed, figure: Figure) -> Asked:
    return Asked(place, arm, bed, figure, _key(arm, bed))


def _key(arm: Arm, bed: Testbed) -> str:
    budget = f"{bed.name} {bed.epochs} {bed.steps} {sorted(bed.settings.items())}{bed.apart and f' {bed.apart}'}"
    start = "" if bed.start is None else _code_of(bed.start)
    return digest(budget, start, _code_of(bed.parts), arm.key, *map(_code_of, arm.functions))


def _tries(each: Asked) -> list[Asked]:
    """A tuned arm with each of its values."""
    assert isinstance(each.arm, Tuned)
    assert each.bed is not None
    tries = [(value, each.arm.at(value)) for value in each.arm.values]
    return [replace(each, arm=arm, key=_key(arm, each.bed), value=value) for value, arm in tries]


def _settled(each: Asked, folder: Path) -> Asked:
    """With the chosen value, where there is one to choose."""
    if not isinstance(each.arm, Tuned):
        return each
    return _tries(each)[each.arm.values.index(chosen(each, folder))]


def _groups(every: Iterable[Asked]) -> list[list[Asked]]:
    """Figures of the same arm together."""
    found: dict[str, list[Asked]] = {}
    for each in every:
        found.setdefault(each.key, []).append(each)
    return list(found.values())


def _missing(group: Sequence[Asked], seed: int, folder: Path) -> bool:
    return any(each.figure_key not in _kept(each, seed, folder)["figures"] for each in group)


def _file(each: Asked, seed: int, folder: Path) -> Path:
    return folder / f"{each.key}-{seed}.json"


def _kept(each: Asked, seed: int, folder: Path) -> dict[str, Any]:
    """What is known of an arm; of a damaged file nothing, so that it is measured again."""
    nothing: dict[str, Any] = {"figures": {}}
    try:
        found = json.loads(_file(each, seed, folder).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return nothing
    if not isinstance(found, dict) or not {"name", "collapsed", "steps"} <= found.keys():
        return nothing
    found["figures"] = with_nan(found.get("figures"))
    return found if _are_figures(found["figures"], each.arm is None) else nothing


def _are_figures(figures: Any, of_check: bool) -> bool:
    """Numbers by name; a check's by arm."""
    if of_check:
        return isinstance(figures, dict) and all(_are_figures(value, False) for value in figures.values())
    return isinstance(figures, dict) and all(isinstance(value, float | int) for value in figures.values())


def _run(tasks: list[Any], folder: Path, jobs: int, threads: int) -> Iterator[tuple[int, str | InputError]]:
    if jobs == 1 or len(tasks) < 2:
        for i, task in enumerate(tasks):
            yield i, _work(task, folder)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, begin, (threads,)) as pool:
        running = {pool.submit(_work, task, folder): i for i, task in enumerate(tasks)}
        workers = list(pool._processes.values())
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        except BaseException:
            # or leaving the pool waits for all that has not begun
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            raise


def begin(threads: int) -> None:
    """In a process that measures: it ends with the one that started it, and leaves Ctrl-C to that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(task: tuple[list[tuple[Place, float | None]], int], folder: Path) -> str | InputError:
    """Train one arm, measure all figures that are asked of it, and keep them."""
    references, seed = task
    try:
        group = []
        for place, value in references:
            each = next(one for one in asked(get(place[0])) if one.place == place)
            if value is not None:
                assert isinstance(each.arm, Tuned)
                each = _tries(each)[each.arm.values.index(value)]
            group.append(each)
        started = time.monotonic()
        about = _measured(group, seed)
        about["seconds"] = round(time.monotonic() - started, 1)
    except InputError as error:
        return error
    file = _file(group[0], seed, folder)
    about["figures"] = _kept(group[0], seed, folder)["figures"] | about["figures"]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(file, about | {"figures": without_nan(about["figures"])})
    return f"{about['name']} in {about['seconds']:.0f} s"


def _measured(group: Sequence[Asked], seed: int) -> dict[str, Any]:
    first = group[0]
    if first.arm is None:
        slug, number, _ = first.place
        check = get(slug).claims[int(number)].check
        assert check is not None
        found = {arm: float(value) for arm, value in check(seed).items()}
        return {"name": slug, "seed": seed, "figures": {first.figure_key: found}, "collapsed": "", "steps": 0}
    assert first.bed is not None
    parts = first.bed.parts(seed) if seed != CHOOSING else _validation(first.bed.parts(seed), first.bed.apart)
    made = first.arm.made(first.bed, parts, seed)
    figures = {each.figure_key: each.figure for each in group if each.figure is not None}
    figures |= {replace(first, figure=f).figure_key: f for f in first.bed.figures}
    return {
        "name": made.name, "bed": first.bed.name, "arm": first.arm.key, "seed": seed,
        "figures": {key: _value(figure, made) for key, figure in figures.items()},
        "collapsed": made.collapsed, "steps": made.steps,
    }  # fmt: skip


def _value(figure: Figure, made: Made) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(made.seed)
        return float(figure.of(made))


def _validation(parts: Parts, apart: str = "") -> Parts:
    """A training part in two: settings are chosen without the test, perhaps on a value that the rest does not have."""
    train = parts[0]
    if apart:
        first = train.columns[apart] == train.columns[apart].unique()[0]
        return train[~first], train[first]
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(CHOOSING))
    held = round(_DEV * len(train))
    return train[order[held:]], train[order[:held]]


@cache
def _code(module: str, name: str) -> str:
    return fingerprint(module, name)


def _code_of(function: Any) -> str:
    """Of the top-level definition that a function is of, and of the functions that are bound of it."""
    function, bound = (function.func, function.args) if isinstance(function, partial) else (function, ())
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    inner = [_code_of(one) for one in (*bound, *cells) if isinstance(one, FunctionType | partial)]
    own = _code(function.__module__, root(function))
    return digest(own, *inner) if inner else own


def _number(ceiling: object) -> str:
    return str(ceiling) if isinstance(ceiling, float | int) else ""
