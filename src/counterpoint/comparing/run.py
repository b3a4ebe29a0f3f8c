"""The leaderboard: every system with every seed, then means, intervals and paired differences over seeds."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint.comparing.entries import (
    UNTRAINED,
    Entry,
    Job,
    check_job,
    entry_file,
    parts_of,
    read_entry,
    recipe_of,
    run_job,
)
from counterpoint.comparing.given import content_digest, read_tests
from counterpoint.errors import InputError, refuse_string
from counterpoint.files import alone, check_output, write_json
from counterpoint.fitting.bases import choose_base, start_digest
from counterpoint.fitting.parts import kind_of_source
from counterpoint.fitting.resuming import as_kept
from counterpoint.fitting.run import environment
from counterpoint.report import Content, Data, Difference, Figure, Model, System, write_report
from counterpoint.systems.jobs import begin
from counterpoint.systems.registry import slug
from counterpoint.systems.rule import difference_interval
from counterpoint.training import TrainConfig
from counterpoint.training.checkpoint import has_checkpoint


@dataclass(frozen=True)
class Comparison:
    """What `compare` leaves behind: the entries, best system first, and what the report says."""

    folder: Path
    entries: list[Entry]
    content: Content


@alone
def compare(
    source: str,
    systems: Sequence[str],
    output: Path,
    *,
    base: str = "auto",
    seeds: int = 3,
    on: Sequence[str] = (),
    jobs: int = 1,
    reading: dict[str, Any] | None = None,
    say: Callable[[str], None] = print,
    **settings: Any,
) -> Comparison:
    """Train several systems on the same data, from the same start, with the same budget and seeds.

    What is compared is what a paper changes: its objective, head, prompts, views and negatives. The settings of the
    loop (batch, learning rate, schedule, how many views are encoded) are those of `fit` for that base, the same for
    all; what a system trains to prepare its data (a judge, a proxy) comes on top. Intervals are Student's t over seeds;
    differences are paired by seed: the best against all others, and these against the first named.

    Every run is kept as soon as it is done: the same call goes on where it was stopped. A run that fails does not stop
    the others, whose results are kept; then what ended the first that failed is raised.

    Args:
        source: What `fit` takes, such as a file of texts, `digits`, or a folder with a folder of pictures a class.
        systems: Names in the ledger, two or more; the first is what the others are compared with. `untrained` is the
            start as it is.
        output: The folder of the comparison.
        base: What all start from; "auto": what is made from the data, `static` for texts.
        seeds: Runs of each, two or more.
        on: What to measure on in place of a tenth of the source: for texts, whatever `evaluate` takes (`read_tests`).
        jobs: Runs side by side, each of as many threads as there are processors to each.
        reading: Options of the reader.
        say: Told of each run.
        **settings: Fields of `TrainConfig` to change for all; `epochs` are of two views of each item.

    Raises:
        InputError: An unknown system, fewer than two, one for other data or that trains in a way of its own, a
            folder of another comparison, or what a run came to.

    Examples:
        >>> compare("digits", ["simclr"], Path("nowhere"))
        Traceback (most recent call last):
        counterpoint.errors.InputError: there is one system and nothing to compare it with; name two or more.
    """
    refuse_string(systems, "systems")
    refuse_string(on, "on")
    for name in systems:
        recipe_of(name)
    chosen, on = list(dict.fromkeys(map(slug, systems))), list(dict.fromkeys(on))
    if len(chosen) < 2:
        raise InputError("there is one system and nothing to compare it with", fix="name two or more")
    if seeds < 2:
        raise InputError("an interval over seeds needs two seeds or more", fix="use 3")
    if jobs < 1:
        raise InputError(f"{jobs} jobs", fix="give 1 or more")
    kind = kind_of_source(source, (reading or {}).get("columns"))
    base = choose_base("static" if (base, kind) == ("auto", "texts") else base, kind)
    if on and kind != "texts":
        raise InputError("tests of texts, and the data are not texts", file=source, fix="leave --on out")
    job = Job(source, base, {k: v for k, v in settings.items() if v is not None}, reading or {}, list(on))
    TrainConfig(**job.settings)  # refuses what is out of its range, before anything is read
    tests = read_tests(on)
    check_output(output, ours=("asked.json", "comparison.json", "rejected.jsonl"), source=source)
    parts = parts_of(job, output)
    for name in chosen:
        check_job(replace(job, system=name), parts)
    say(parts.description)
    about = {"data": parts.digest(), "start": start_digest(base), "weights": "as the budget left them"}
    _bind(output, {**asdict(job), "tests": {name: content_digest(test) for name, test in tests.items()}, **about})
    every = [replace(job, system=name, seed=seed) for seed in range(seeds) for name in chosen]
    left = [one for one in every if not entry_file(one, output).exists()]
    if 0 < len(left) < len(every):
        say(f"{len(every) - len(left)} of {len(every)} runs are done and kept")
    failed: list[InputError] = []
    for done, (one, error) in enumerate(_run(left, output, jobs), len(every) - len(left) + 1):
        if error is not None:
            failed.append(error)
            say(f"{done}/{len(every)}  failed: {error}")
            continue
        entry = read_entry(entry_file(one, output))
        figure = f"{entry.metric} {entry.figures[entry.metric]:.4f}"
        say(f"{done}/{len(every)}  {entry.system}, seed {one.seed}: {figure}, {entry.seconds:.0f} s")
    if failed:
        first = failed[0]
        what = f"{len(failed)} of {len(every)} runs failed, the others are kept; {first.what}"
        raise InputError(what, file=first.file, line=first.line, fix=first.fix)
    entries: dict[str, list[Entry]] = {name: [] for name in chosen}
    for one in every:
        entries[one.system].append(read_entry(entry_file(one, output)))
    content = content_of(job, list(entries.values()))
    write_report(content, output / "report.html")
    ranked = sorted(entries.values(), key=lambda runs: -_mean(runs, runs[0].metric))
    best_first = [entry for runs in ranked for entry in runs]
    write_json(output / "comparison.json", {"content": content.to_json(), "entries": [asdict(e) for e in best_first]})
    return Comparison(output, best_first, content)


def content_of(job: Job, entries: Sequence[Sequence[Entry]]) -> Content:
    """What the report says of the runs of each system, the one the others are compared with first."""
    metric, first = entries[0][0].metric, entries[0]
    names = [metric, *(name for name in first[0].figures if name != metric)]
    ranked = sorted(entries, key=lambda runs: -_mean(runs, metric))
    # the start is what is to be beaten, wherever it stands
    best = next(runs for runs in ranked if runs[0].system != UNTRAINED)
    others = [runs for runs in ranked if runs is not best]
    # the best against all others, and these against the reference
    pairs = [(best, other) for other in others] + [(other, first) for other in others if first not in (best, other)]
    systems, costs = [], {}
    for runs in ranked:
        name = runs[0].system
        systems.append(System(name, {m: Figure(*_over_seeds([(e.figures[m], 0.0) for e in runs])) for m in names}))
        seconds, megabytes = (np.mean([getattr(e, cost) for e in runs]) for cost in ("seconds", "megabytes"))
        costs[name] = f"{seconds:.1f} s of training, {megabytes:,.0f} MB"
    differences = [
        Difference(
            a[0].system, b[0].system, m,
            *_over_seeds([(x.figures[m], y.figures[m]) for x, y in zip(a, b, strict=True)]),
        )
        for m in names
        for a, b in pairs
    ]  # fmt: skip
    return Content(
        title=f"{len(entries)} systems on {Path(job.source).name}",
        metric=metric,
        model=Model(best[0].system, kind="the best system by its mean", base=job.base),
        data=Data(job.source),
        systems=tuple(systems),
        differences=tuple(differences),
        unit="seeds",
        summary=(
            *([f"The order is that of the first test alone: {metric}."] if len(job.on) > 1 else []),
            f"Same data, start, budget and {len(first)} seeds for each; intervals are Student's t over seeds, and "
            "differences are paired by seed.",
        ),
        settings={**costs, **job.settings},
        environment=environment(),
    )


def _over_seeds(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float, int]:
    value, (low, high) = difference_interval(pairs)
    return value, low, high, len(pairs)


def _mean(runs: Sequence[Entry], metric: str) -> float:
    return float(np.mean([e.figures[metric] for e in runs]))


def _run(left: Sequence[Job], output: Path, jobs: int) -> Iterator[tuple[Job, InputError | None]]:
    """Each in a process of its own: its memory is its own, and what it changes ends with it."""
    spawn, threads = multiprocessing.get_context("spawn"), max(1, torch.get_num_threads() // jobs)
    waiting, running = list(left), dict[int, tuple[Job, BaseProcess, Connection]]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                job = waiting.pop(0)
                told, tells = spawn.Pipe(duplex=False)
                begun = spawn.Process(target=_alone, args=(job, output, tells, threads))
                begun.start()
                tells.close()
                running[begun.sentinel] = job, begun, told
            for sentinel in wait(list(running)):
                assert isinstance(sentinel, int)
                job, process, told = running.pop(sentinel)
                process.join()
                yield job, _error_of(job, told, process.exitcode)
    finally:
        # whatever stops this stops them: they have checkpoints
        for _, process, _ in running.values():
            process.terminate()
            process.join()


def _alone(job: Job, output: Path, tells: Connection, threads: int) -> None:
    begin(threads)
    try:
        run_job(job, output)
    except InputError as error:
        tells.send(error)


def _error_of(job: Job, told: Connection, code: int | None) -> InputError | None:
    """What ended a run too early, if anything did."""
    which = f"{job.system}, seed {job.seed}"
    try:
        error = told.recv()
    except EOFError:
        error = None
    if error is not None:
        return InputError(f"{which}: {error.what}", file=error.file, line=error.line, fix=error.fix)
    if not code:
        return None
    how = "was killed (out of memory?)" if code < 0 else f"ended with {code}, as it says above"
    fix = "run the same again: it goes on where it was"
    return InputError(f"the process of {which}, {how}", fix=fix)


def _bind(output: Path, asked: dict[str, Any]) -> None:
    """A folder holds one comparison: more systems or seeds may come to it, other data or settings may not.

    That is so once a run is done or has a checkpoint.
    """
    kept = output / "asked.json"
    try:
        before = json.loads(kept.read_text())
    except (OSError, ValueError):
        before = {}
    asked = as_kept(asked)
    changed = sorted(k for k in asked if asked[k] != before.get(k))
    if changed and not any(output.glob("*-*.json")) and not any(map(has_checkpoint, output.glob(".*-*"))):
        write_json(kept, asked)
    elif changed:
        raise InputError(
            f"the folder holds a comparison with other settings ({', '.join(changed)})",
            file=output,
            fix="repeat its settings, or give another --output",
        )
