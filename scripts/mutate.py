"""Take one thing out of a system's method, as it is used, and see whether the system's own tests notice.

Of every stage: the head, the procedure and each part of it, the view, every step before training, what is around the
encoder, the prompts, the similarity, each term of the objective, and each argument of it that is not the default. The
neutral element stands in its place (the identity, no change, a weight of 0, the default), for whoever asks the ledger
for the system; then the tests in the file of its mechanism run, until one fails. Where none does, the weights after a
few steps are compared with those that are kept (`tests/systems/golden.json`): they notice what is used, and not whether
it is right. What survives both is an error, and the exit code is 1.

    python scripts/mutate.py [SYSTEM ...]
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from counterpoint.errors import InputError
from counterpoint.methods import Recipe, Stage
from counterpoint.objectives import Mined, Objective
from counterpoint.objectives.sums import Sum
from counterpoint.procedures import Chain, Procedure
from counterpoint.relation import Relation, same
from counterpoint.systems import every, get
from counterpoint.systems.registry import REGISTRY, System, slug

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5
sys.path.append(str(ROOT / "tests"))
Mutation = tuple[str, Recipe]
"""What is taken out, and what is left."""


def mutations(recipe: Recipe) -> Iterator[Mutation]:
    """Every one of a recipe."""
    if recipe.prompts:
        yield "prompts", replace(recipe, prompts={})
    if recipe.similarity != "cosine":
        yield "similarity", replace(recipe, similarity="cosine")
    if recipe.adapt is not None:
        yield "adapt", replace(recipe, adapt=None)
    for i, stage in enumerate(recipe.stages):
        place = f"stage {i + 1}, " if len(recipe.stages) > 1 else ""
        for what, changed in of_stage(stage):
            stages = (*recipe.stages[:i], changed, *recipe.stages[i + 1 :])
            yield place + what, replace(recipe, stages=stages)


def of_stage(stage: Stage) -> Iterator[tuple[str, Stage]]:
    """Every one of a stage."""
    if stage.head is not None:
        yield "head", replace(stage, head=lambda _width: nn.Identity())
    if stage.view is not None:
        views = tuple(v and _same for v in stage.view) if isinstance(stage.view, tuple) else _same
        yield "view", replace(stage, view=views)
    if stage.views > 2:
        yield "views beyond two", replace(stage, views=2)
    for name, none in (
        ("sampled", 0),
        ("shared", 0),
        ("renewals", 0),
        ("together", ""),
        ("interpolate", 1.0),
        ("afresh", False),
    ):
        if getattr(stage, name) != none:
            yield name, replace(stage, **{name: none})
    for i in range(len(stage.prepare)):
        steps = (*stage.prepare[:i], _unprepared, *stage.prepare[i + 1 :])
        yield f"step {i + 1} before training", replace(stage, prepare=steps)
    if stage.around is not None:
        yield "around", replace(stage, around=None)
    if stage.task is not None:
        yield "task", replace(stage, task=None)
    if stage.procedure is not None:
        yield from ((what, replace(stage, procedure=make)) for what, make in of_procedure(stage.procedure))
    yield from ((what, replace(stage, objective=make)) for what, make in of_objective(stage.objective))


def of_procedure(make: Callable[[int], Procedure]) -> Iterator[tuple[str, Callable[[int], Procedure]]]:
    """The whole, or each part of a chain."""
    made = make(64)
    if not isinstance(made, Chain):
        yield f"procedure {type(made).__name__}", lambda _width: Procedure()
        return
    for i, part in enumerate(made.procedures):

        def without(width: int, i: int = i) -> Procedure:
            chain = make(width)
            chain.procedures[i] = Procedure()
            return chain

        yield f"procedure {type(part).__name__}", without


def of_objective(make: Callable[[], Objective]) -> Iterator[tuple[str, Callable[[], Objective]]]:
    """A term of a sum, or an argument that is not the default."""
    for name, part in make().named_modules():
        if isinstance(part, Sum):
            for i, term in enumerate(part.objectives):

                def lighter(made: Any, i: int = i) -> None:
                    made.weights = (*made.weights[:i], 0.0, *made.weights[i + 1 :])

                yield f"term {type(term).__name__}", _changed(make, name, lighter)
        if not isinstance(part, Objective) or isinstance(part, Sum):
            continue
        usuals = _defaults(type(part))
        for argument, value in {**vars(part), **part._modules}.items():
            # what the class has, too, such as whether a kernel may sum, follows from arguments and is none
            if argument not in usuals or argument[0] == "_" or argument == "training" or hasattr(type(part), argument):
                continue
            usual = usuals[argument]
            if _alike(value, usual):
                continue

            def usually(made: Any, argument: str = argument, usual: Any = usual) -> None:
                setattr(made, argument, usual)

            yield f"{type(part).__name__}.{argument}", _changed(make, name, usually)


def _defaults(kind: type[Objective]) -> dict[str, Any]:
    """Attributes of one that is made without arguments, or the defaults of those that it has."""
    try:
        plain = kind()
    except (TypeError, InputError):
        given = inspect.signature(kind).parameters.values()
        return {p.name: p.default for p in given if p.default is not p.empty}
    return {**vars(plain), **plain._modules}


def _changed(make: Callable[[], Objective], name: str, change: Callable[[Any], None]) -> Callable[[], Objective]:
    def changed() -> Objective:
        objective = make()
        change(objective.get_submodule(name))
        around = objective.get_submodule(name.rpartition(".")[0])
        if isinstance(around, Mined):
            # which has taken over what it scores with
            change(around)
        return objective

    return changed


def _alike(a: Any, b: Any) -> bool:
    if a is b or isinstance(a, torch.Tensor):
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Relation):
        return _rules(a) == _rules(b)
    return a == b or repr(vars(a) if hasattr(a, "__dict__") else a) == repr(vars(b) if hasattr(b, "__dict__") else b)


def _rules(relation: Relation) -> list[Any]:
    rules = (relation.positive, relation.ignored, relation.negative)
    return [rule.column if isinstance(rule, same) else rule for rule in rules]


def _same(inputs: Any) -> Any:
    return inputs


def _unprepared(data: Any, encoder: nn.Module, seed: int) -> Any:
    del encoder, seed
    return data


@contextlib.contextmanager
def standing_in(name: str, recipe: Recipe) -> Iterator[None]:
    """Within, the ledger has this recipe under that name."""
    names = REGISTRY._names
    held = names[name]
    names[name] = replace(held, method=lambda: recipe)
    try:
        yield
    finally:
        names[name] = held


def passes(file: str) -> bool:
    """Whether the quick tests of a file pass."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main(["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--assert=plain", str(ROOT / file)])
    return code == pytest.ExitCode.OK


def weights_differ(name: str, recipe: Recipe) -> bool:
    """Whether a few steps of training end elsewhere than kept, or cannot be made."""
    from systems.golden import KEPT, off, trained

    try:
        found = trained(name, recipe)
    except Exception:  # whatever stops it has been noticed
        return True
    kept = json.loads(KEPT.read_text()).get(name)
    return kept is None or off(found, kept) > TOLERANCE


def survivors(system: System, say: Callable[[str], None] = print) -> tuple[list[str], list[str], int]:
    """What can be taken out of a system and its variants without its own tests noticing, and without its weights.

    Returns:
        Both, the second within the first; and how much was tried.
    """
    file, missed, unseen, tried = system.mechanism.partition("::")[0], list[str](), list[str](), 0
    if not passes(file):
        broken = [f"{system.slug}: {file} does not pass as it is"]
        return broken, broken, 1
    for name in map(slug, (system.name, *system.variants)):
        for what, recipe in mutations(get(name).method()):
            tried += 1
            with standing_in(name, recipe):
                if not passes(file):
                    continue
            missed.append(f"{name}: {what}")
            if not weights_differ(name, recipe):
                unseen.append(missed[-1])
            say(f"{missed[-1]}: {'SURVIVED' if missed[-1] in unseen else 'noticed by the weights alone'}")
    return missed, unseen, tried


def main() -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="by name; none: all")
    try:
        chosen = [get(name) for name in parser.parse_args().systems] or every()
    except InputError as error:
        parser.error(str(error))
    missed, unseen, tried = 0, 0, 0
    for system in chosen:
        started = time.monotonic()
        own, both, number = survivors(system, lambda said: print(said, flush=True))
        missed, unseen, tried = missed + len(own), unseen + len(both), tried + number
        seconds = time.monotonic() - started
        print(f"{system.slug:28} {number - len(own)} of {number} noticed by its tests, {seconds:.0f} s", flush=True)
    print(f"of {tried} {tried - missed} noticed by tests, {missed - unseen} by the weights alone, {unseen} survived")
    return 1 if unseen else 0


if __name__ == "__main__":
    raise SystemExit(main())
