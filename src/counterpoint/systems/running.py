"""What people do with a system: run it, on small data or their own, and measure what its paper claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from counterpoint.errors import InputError
from counterpoint.systems import jobs
from counterpoint.systems.measuring import SEEDS, Verdict, judged
from counterpoint.systems.registry import Figures, Say, System
from counterpoint.testbeds import Figure, Made, Trained, Untrained


def run(system: System, output: Path, *, source: str | None = None, say: Say = lambda _: None) -> Figures:
    """Train a system's method, and measure what its main claim is about, before training and after.

    Where the small data have nothing of that kind, which is said, they are measured as they otherwise are. What trains
    nothing is measured as it is.

    Args:
        system: It.
        output: Where what it makes is left.
        source: Data to train on, as `counterpoint.fitting.fit` takes them; None: the small data of the system.
        say: Told of each step.

    Raises:
        InputError: The system takes no such data.
    """
    if source is not None:
        from counterpoint.fitting import fit

        result = fit(source, output, method=system.method(), say=say)
        return {f"{m.name}: {name}": f.value for m in result.measured for name, f in m.figures.items()}
    if system.run is not None:
        return system.run(system.method(), output, say)
    from counterpoint.encoders.saving import Saved

    bed = system.sample
    say(f"{bed.name}: {bed.about}")
    parts, arms = bed.parts(0), list[Made]()
    for arm in (Untrained(system.method), Trained(system.method))[: 1 + bool(system.method().stages)]:
        arms.append(made := arm.made(bed, parts, 0))
        if made.collapsed:
            say(f"{made.name}: {made.collapsed}")
    about = [c.figure for c in system.claims if isinstance(c.figure, Figure)][:1]
    found = _measured(arms, [*about, *bed.figures], say)
    if isinstance(made.encoder, Saved):
        made.encoder.save(output / "model")
    return found


def _measured(arms: list[Made], figures: list[Figure], say: Say) -> dict[str, float]:
    """The first that these data have something for, of each arm."""
    for i, figure in enumerate(figures):
        try:
            return {f"{made.name}: {figure.name}": figure.of(made) for made in arms}
        except (AssertionError, KeyError, RuntimeError) as error:
            if i + 1 == len(figures):
                raise
            why = " ".join(str(error).splitlines()[:1])
            say(f"the small data have nothing for {figure.name} ({type(error).__name__}: {why})")
    return {}


def verify(
    systems: Iterable[System],
    *,
    seeds: Iterable[int] = SEEDS,
    folder: Path | None = None,
    parallel: int = 1,
    say: Say = lambda _: None,
    on_done: Callable[[int, int], None] = lambda _done, _all: None,
) -> tuple[dict[str, Verdict], dict[str, InputError]]:
    """Measure the claims of systems, one measurement a seed; what is kept of earlier measurements is not made again.

    Args:
        systems: They.
        seeds: Two or more.
        folder: Where arms are kept (`counterpoint.systems.jobs.cache_folder`).
        parallel: Processes side by side.
        say: Told of each arm.
        on_done: Told how many arms of how many are done.

    Returns:
        The verdicts by slug, and what kept others from one.

    Raises:
        InputError: for fewer than two seeds, or a survey, which claims nothing.
    """
    systems, seeds = list(systems), list(dict.fromkeys(seeds))
    for system in systems:
        if not system.claims:
            raise InputError(
                f"{system.name} claims nothing that can be measured", fix=f"counterpoint run {system.slug}"
            )
    if len(seeds) < 2:
        raise InputError("an interval over seeds needs two seeds or more", fix="use 5")
    failed = jobs.measure(systems, seeds, folder=folder, jobs=parallel, say=say, on_done=on_done)
    done = {s.slug: judged(s, seeds, folder) for s in systems if s.slug not in failed}
    return done, failed
