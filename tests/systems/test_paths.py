"""What `fit` and `compare` train under a system's name is the system: its stages, and its weights after ten steps."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import partial

import numpy as np
import pytest

from counterpoint.comparing.entries import Job, run_job
from counterpoint.encoders import load
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.fitting.bases import make_base
from counterpoint.fitting.parts import load_parts
from counterpoint.methods import recipe as methods
from counterpoint.systems import every, get
from counterpoint.systems.registry import slug

NAMES = [slug(name) for s in every() for name in (s.name, *s.variants) if s.method().stages]
SETTINGS = {"steps": 10, "batch_size": 16, "dtype": "float32", "validations": 1}
BASES = {"text": "static", "image": "resnet"}


class ReachedError(Exception):
    """Training begins."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Small files of each schema that systems take."""
    folder, g = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    pairs = [
        (f"the {c} thing {n}", f"{c} number {n} here", f"{c} other {n}") for c in ("red", "blue") for n in range(60)
    ]
    files = {
        ("text", "pairs"): ("query\tdocument", [row[:2] for row in pairs]),
        ("text", "tuples"): ("query\tpositive\tnegative", pairs),
        ("text", "items"): ("text", [row[:1] for row in pairs]),
    }
    found = {}
    for (kind, schema), (head, rows) in files.items():
        file = folder / f"{schema}.tsv"
        file.write_text("\n".join([head, *("\t".join(row) for row in rows)]) + "\n")
        found[kind, schema] = file
    file = folder / "pictures.npz"
    np.savez(file, x=g.integers(0, 256, (160, 8, 8), dtype=np.uint8), y=np.arange(160) % 4)
    found["image", "labelled"] = found["image", "items"] = file
    return found


def source_of(name, sources):
    """One that the system takes; skipped where it takes what no file says."""
    takes = get(name).method().takes
    for schema in takes.schemas:
        if (takes.anchors, schema) in sources and not takes.columns:
            return sources[takes.anchors, schema]
    pytest.skip(f"takes {takes.describe()}")


@pytest.fixture
def stages(monkeypatch):
    """The stages that training would begin with."""
    seen = []

    def stop(stage, *arguments, **options):
        seen.append(stage)
        raise ReachedError

    monkeypatch.setattr(methods, "train_stage", stop)
    return seen


def alike(a, b):
    """The same value, or a function that another call of the method made anew, of the same code."""
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, partial):
        return isinstance(b, partial) and alike(a.func, b.func) and a.keywords.keys() == b.keywords.keys()
    code = getattr(a, "__code__", None)
    return a is b or a == b if code is None else code is getattr(b, "__code__", None)


@pytest.mark.parametrize("name", NAMES)
def test_fit_and_compare_train_the_system_s_own_stage(name, sources, stages, tmp_path):
    source, method = source_of(name, sources), get(name).method()
    base = BASES[method.takes.anchors]
    job = Job(str(source), base=base, settings=SETTINGS, system=name)
    paths = (
        lambda: fit(source, tmp_path / "fit", base=base, method=method, say=lambda _: None, **SETTINGS),
        lambda: run_job(job, tmp_path / "compare"),
    )
    for path in paths:
        with pytest.raises((ReachedError, InputError)) as found:
            path()
        if found.type is InputError:
            assert re.search("of its own|needs a transformer", str(found.value))
            return
    fitted, compared = stages
    assert fitted.train.batch_size == compared.train.batch_size == 16
    own = method.stages[0]
    for name in {field.name for field in fields(own)} - {"train"}:
        if name == "view" and own.view is None:
            # a static base brings its own: tokens are dropped
            assert (fitted.view is None) == (compared.view is None) == (base != "static")
            continue
        assert getattr(fitted, name) is getattr(own, name)
        assert alike(getattr(compared, name), getattr(own, name)), name


@pytest.mark.parametrize("name", ["simclr", "simsiam", "supcon", "llave"])
def test_weights_of_fit_are_those_of_the_method(name, sources, tmp_path):
    source, method = source_of(name, sources), get(name).method()
    base = BASES[method.takes.anchors]
    settings = SETTINGS | {"epochs": 1.0}
    fit(source, tmp_path / "fit", base=base, method=method, say=lambda _: None, **settings)
    parts = load_parts(str(source), {}, 0.05, 0.1, 0, None)
    encoder = make_base(base, parts.train, 0)
    from counterpoint.fitting.presets import seen_by

    recipe = seen_by(method.changed(**settings), encoder)
    recipe.make(parts.train, 0, encoder=encoder)
    kept = load(tmp_path / "fit" / "model")
    for a, b in zip(kept.state_dict().values(), encoder.state_dict().values(), strict=True):
        # of the size of what ten steps change it is little: sums are in another order on several threads
        assert float((a - b).norm()) < 1e-3 * float(a.norm())
