"""What `fit`, `compare` and `run` train under a system's name is the system: its stages, and the weights they end with.

The reference is the method itself: `method.make` on the same data, from the same start, with the same seed. All is
computed on one thread, in the same order, so weights are equal to the last bit: those of the encoder, the head, the
procedure and the objective, after ten steps over three epochs, or more where a mechanism begins later. Pictures have
columns for every system that learns from one. What trains a start of its own, `run` alone can show.

That its own stages are what is trained is shown of every name. Weights, which follow from them, are shown of so many
systems that every two parts that a recipe has together are among theirs; those of the others are slow tests.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

import counterpoint.fitting.run as fitting
from counterpoint.comparing.entries import Job, parts_of, run_job
from counterpoint.encoders import AttentionBeside, EachProposition, EachSpan, load
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.fitting.bases import make_base, minilm_folder
from counterpoint.fitting.parts import load_parts
from counterpoint.fitting.presets import preset
from counterpoint.fitting.task import make_task
from counterpoint.methods import recipe as methods
from counterpoint.methods import stage
from counterpoint.pretraining import Continuation, Guessing, LeftOutWords, TokenGraph
from counterpoint.systems import every, get, run
from counterpoint.systems.registry import slug
from counterpoint.training import lists, loop
from counterpoint.views import TextView
from systems.golden import sample, taken
from systems.words import small_bert

NAMES = [slug(name) for s in every() for name in (s.name, *s.variants) if s.method().stages]
OWN = [name for name in NAMES if get(name).method().own_start]
"""They train a start of their own, which `fit` and `compare` do not: `run` alone does."""
SHARED = [name for name in NAMES if name not in OWN]
STEPS = {"mochi": 14, "swav": 22, "swav-two-views": 22, "dbpm": 40}
"""Where something begins later than in ten steps: after 10 or 19 steps, or with the 11th epoch."""
LONG = (("beclr", 154), ("e5-fine-tuning", 10))
"""Ten seconds each: neighbours are looked for from the 100th step on; a cross-encoder is trained first."""
VARIANTS = {slug(name) for s in every() for name in s.variants}
BATCHES = {"w-mse": 72, "w-mse-4": 72}
"""Where vectors must be more than their 64 dimensions."""
SEED = 3
HOLD = (Guessing, LeftOutWords, TokenGraph, Continuation, AttentionBeside, EachProposition, EachSpan)
"""What is trained in the place of an encoder that it holds."""


class ReachedError(Exception):
    """Training begins."""


def parts_of_recipe(name):
    """What a recipe is made of, as far as a path may go by it."""
    method = get(name).method()
    found = {f"{key} {getattr(method.takes, key)}" for key in ("anchors", "others")}
    found |= {f"adapts {method.adapt is not None}", f"own start {method.own_start}", f"prompts {bool(method.prompts)}"}
    found.add(f"stages {min(len(method.stages), 3)}")
    for s in method.stages:
        there = ("head", "procedure", "view", "around", "task")
        found |= {f"{key} {getattr(s, key) is not None}" for key in there}
        found |= {f"{key} {getattr(s, key)}" for key in ("views", "together", "afresh", "interpolate")}
        found |= {f"{key} {bool(getattr(s, key))}" for key in ("prepare", "sampled", "shared", "renewals")}
    return set(combinations(sorted(found), 2))


def covering(names):
    """As few of the names as have every two parts together that any of them has (chosen greedily)."""
    parts = {name: parts_of_recipe(name) for name in names if name not in VARIANTS}
    left, found = set().union(*parts.values()), []
    while left:
        found.append(max(parts, key=lambda name: len(parts[name] & left)))
        left -= parts[found[-1]]
    return found


FIRST = covering(NAMES)


def steps_of(names):
    listed = [(name, STEPS.get(name, 10)) for name in names]
    listed += [case for case in LONG if case not in listed]
    quick = {case for case in listed if case[0] in FIRST or case[0] in STEPS} - set(LONG)
    return [pytest.param(*case, marks=() if case in quick else [pytest.mark.slow]) for case in listed]


def settings_of(name, steps=10):
    """Three batches are an epoch, so ten steps are of four."""
    return {"steps": steps, "batch_size": BATCHES.get(name, 16), "dtype": "float32", "validations": 1}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def short_rankers(monkeypatch):
    """Rankers that are trained beforehand learn for a few steps: every path has the same."""
    whole = lists.cross_encoder

    def short(data, seed=0, *, steps=200):
        return whole(data, seed, steps=min(steps, 5))

    monkeypatch.setattr(lists, "cross_encoder", short)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A small file of each modality, with all that any system asks of a row."""
    folder = tmp_path_factory.mktemp("data")
    rows = [f"the {c} thing {i}\t{c} number {i} here" for c in ("red", "blue") for i in range(36)]
    (folder / "pairs.tsv").write_text("\n".join(["query\tdocument", *rows]) + "\n")
    triples = [f"{row}\tnothing like it {i}" for i, row in enumerate(rows)]
    (folder / "triples.tsv").write_text("\n".join(["anchor\tpositive\tnegative", *triples]) + "\n")
    (folder / "labelled.tsv").write_text(
        "\n".join(["text\tlabel", *(f"{row.split(chr(9))[0]}\tclass {i % 6}" for i, row in enumerate(rows))]) + "\n"
    )
    (folder / "classes.tsv").write_text(
        "\n".join(["query\tdocument\tpair_label", *(f"{row}\t{'abc'[i % 3]}" for i, row in enumerate(rows))]) + "\n"
    )
    (folder / "words.tsv").write_text(
        "\n".join(["query\tdocument", *(f"{row.split(chr(9))[0]}\t{i % 36}" for i, row in enumerate(rows))]) + "\n"
    )
    (folder / "scored.tsv").write_text(
        "\n".join(["score\tsentence1\tsentence2", *(f"{i % 6}\t{row}" for i, row in enumerate(rows))]) + "\n"
    )
    said = [
        f"A {c} thing stands in place {i}.\tA {c} one sits on number {i}." for c in ("red", "blue") for i in range(36)
    ]
    (folder / "said.tsv").write_text("\n".join(["query\tdocument", *said]) + "\n")
    (folder / "judged.tsv").write_text(
        "\n".join(["score\tsentence1\tsentence2", *(f"{i % 2}\t{row}" for i, row in enumerate(rows))]) + "\n"
    )
    (folder / "texts.txt").write_text("\n".join(row.split("\t")[0] for row in rows) + "\n")
    graphs = [f"thing {i}; there\t(thing {i}; is; red)(red; of; here)(here; or; there)" for i in range(72)]
    (folder / "graphs.tsv").write_text("\n".join(["query\tdocument", *graphs]) + "\n")
    about = [f"the red thing {i}\ninterest rates rose again in year {i}" for i in range(36)]
    (folder / "apart.txt").write_text("\n".join(about) + "\n")
    small_bert(load_parts(folder / "pairs.tsv", {}, 0.05, 0.1, 0, None).train).save(folder / "bert")
    pictures(folder / "pictures.npz", 72)
    pictures(folder / "more.npz", 108)
    return folder


def pictures(file, n):
    g, i = np.random.default_rng(0), np.arange(n)
    known = {"domain": i % 3, "mixed": g.permutation(i) % 3, "target": i // 4 % 2, "pair": i // 5 % 3}
    known |= {"angle": g.integers(0, 90, n), "attributes": g.integers(0, 2, (n, 5)), "colour": g.random((n, 3))}
    np.savez(file, x=g.integers(0, 256, (n, 8, 8), dtype=np.uint8), y=i % 4, **known)


def source_of(name, sources):
    takes = get(name).method().takes
    if takes.anchors == "image":
        return sources / ("more.npz" if name in BATCHES else "pictures.npz")
    if name == "sbert-defsent-comparison":
        return sources / "words.tsv"
    if name.startswith("malaysian"):
        return sources / "apart.txt"
    if name.startswith("explagraph"):
        return sources / "graphs.tsv"
    if name == "dse":
        return sources / "judged.tsv"
    if name.startswith("sub-sentence"):
        return sources / "said.tsv"
    if takes.others is not None:
        if "scored" in takes.schemas:
            return sources / "scored.tsv"
        pairs = "pairs.tsv" if "pairs" in takes.schemas else "triples.tsv"
        return sources / ("classes.tsv" if "label" in takes.columns else pairs)
    return sources / ("texts.txt" if "items" in takes.schemas else "labelled.tsv")


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
    if isinstance(a, TextView):
        return isinstance(b, TextView) and all(map(alike, vars(a).values(), vars(b).values()))
    code = getattr(a, "__code__", None)
    return a is b or a == b if code is None else code is getattr(b, "__code__", None)


def base_of(name, sources, *, static=False):
    """A start for its items; where a system adapts what it is given, a table of tokens is none."""
    method = get(name).method()
    if method.takes.anchors == "image":
        return "resnet"
    return "static" if static and method.adapt is None else str(sources / "bert")


@pytest.mark.parametrize("name", SHARED)
def test_fit_and_compare_train_the_system_s_own_stage(name, sources, stages, tmp_path):
    source, method, settings = source_of(name, sources), get(name).method(), settings_of(name)
    base = base_of(name, sources, static=True)
    paths = (
        lambda: fit(source, tmp_path / "fit", base=base, method=method, say=lambda _: None, **settings),
        lambda: run_job(Job(str(source), base=base, settings=settings, system=name), tmp_path / "compare"),
    )
    for path in paths:
        with pytest.raises(ReachedError):
            path()
    fitted, compared = stages
    assert fitted.train.batch_size == compared.train.batch_size == settings["batch_size"]
    own = method.stages[0]
    for name in {field.name for field in fields(own)} - {"train"}:
        if name == "view" and own.view is None:
            # a static base brings its own: tokens are dropped
            assert (fitted.view is None) == (compared.view is None) == (base != "static")
            continue
        assert getattr(fitted, name) is getattr(own, name)
        assert alike(getattr(compared, name), getattr(own, name)), name


@pytest.mark.parametrize("name", SHARED)
def test_run_on_given_data_trains_the_system_s_own_stage(name, sources, stages, tmp_path):
    own = get(name).method()
    if own.takes.anchors == "text" and minilm_folder() is None:
        pytest.skip("texts are begun with MiniLM, whose extra is not installed")
    with pytest.raises(ReachedError):
        run(get(name), tmp_path / "run", source=str(source_of(name, sources)))
    for field in fields(own.stages[0]):
        assert alike(getattr(stages[0], field.name), getattr(own.stages[0], field.name)), field.name


@pytest.mark.parametrize("name", OWN)
def test_another_start_is_refused_where_a_system_has_its_own(name, sources, tmp_path):
    source = str(sources / "pictures.npz")
    # no file has vectors
    vectors = get(name).method().takes.anchors == "vector"
    said = "trains on vectors" if vectors else "trains in a way of its own"
    paths = (
        lambda: fit(source, tmp_path / "fit", method=get(name).method(), say=lambda _: None),
        lambda: run_job(Job(source, base="resnet", system=name), tmp_path / "compare"),
        lambda: run(get(name), tmp_path / "run", source=source),
    )
    for path in paths:
        with pytest.raises(InputError, match=said):
            path()


class Watched(list):
    """The weights of all that was trained together, as they were after the last step, a training after another.

    `kept` is what the last of them left in the encoder: the best that were validated.
    """

    kept = None

    def told(self):
        """What was seen so far, to begin anew."""
        found = list(self)
        self.clear()
        return found


@pytest.fixture
def watched(monkeypatch):
    seen, finish = Watched(), loop._finish

    def train(encoder, batches, objective, config, **options):
        def ended(*arguments, **more):
            modules = {"encoder": encoder, "objective": objective, **options}
            states = {name: copied(part) for name, part in modules.items() if isinstance(part, nn.Module)}
            seen.append({name: state for name, state in states.items() if state})
            finish(*arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "_finish", ended)
            result = loop.train(encoder, batches, objective, config, **options)
        # a task of guessing, and what is trained in an encoder's place, hold it
        holds = isinstance(encoder, HOLD)
        seen.kept = copied(encoder.encoder if holds else encoder)
        return result

    monkeypatch.setattr(stage, "train", train)
    # what is drawn of a run once it is trained would take four fifths of the time
    monkeypatch.setattr(fitting, "write_report", lambda *_: None)
    return seen


def copied(module):
    """Weights that vectors depend on: a transformer's pooler is not used, and drawn anew whenever it is read."""
    return {name: value.detach().clone() for name, value in module.state_dict().items() if "pooler" not in name}


def same(found, wanted):
    """To the last bit, training by training."""
    assert [list(training) for training in found] == [list(training) for training in wanted]
    for a, b in zip(found, wanted, strict=True):
        for part in a:
            assert a[part].keys() == b[part].keys()
            differ = [n for n, value in a[part].items() if not torch.equal(value.nan_to_num(), b[part][n].nan_to_num())]
            assert not differ, (part, differ)


@pytest.mark.parametrize(("name", "steps"), steps_of(SHARED))
def test_weights_of_fit_and_compare_are_those_of_the_method(name, steps, sources, watched, tmp_path):
    source, method, settings = str(source_of(name, sources)), get(name).method(), settings_of(name, steps)
    base = base_of(name, sources)

    def itself(method, parts, folder, *, validated):
        encoder = make_base(base, parts.train, SEED)
        before, options = copied(encoder), {}
        if validated and len(method.stages) > 1:
            # a stage begins with the best weights of the one before, as they were validated
            task = make_task(parts, encoder)
            options = {"validate": lambda: {"dev": task.validate(encoder)}, "folder": folder}
        method.make(parts.train, SEED, encoder=encoder, **options)
        seen = watched.told()
        assert len(seen) >= len(method.stages)
        # two towers have other names
        assert before.keys() - seen[-1]["encoder"].keys() or any(
            not torch.equal(value, seen[-1]["encoder"][name]) for name, value in before.items()
        )
        return seen

    wanted = itself(
        method.changed(**settings), load_parts(source, {}, 0.05, 0.1, SEED, None), tmp_path / "one", validated=True
    )
    fit(source, tmp_path / "fit", base=base, method=method, seed=SEED, say=lambda _: None, **settings)
    same(watched.told(), wanted)
    same([{"encoder": copied(load(tmp_path / "fit" / "model"))}], [{"encoder": watched.kept}])

    job = Job(source, base=base, settings=settings, system=name, seed=SEED)
    parts = parts_of(job)
    budget = preset(parts.train, make_base(base, parts.train, SEED)).changed(**settings).stages[0].train
    stages = tuple(replace(stage, train=budget) for stage in method.stages)
    # nothing is chosen by in a comparison
    wanted = itself(replace(method, stages=stages), parts, tmp_path / "another", validated=False)
    run_job(job, tmp_path)
    same(watched.told(), wanted)


@pytest.mark.parametrize(("name", "steps"), steps_of(NAMES))
def test_weights_of_run_are_those_of_the_method(name, steps, sources, watched, tmp_path):
    system, method = get(name), get(name).method()
    bed = taken(name, method)
    if bed.parts is not system.sample.parts:
        assert name in ("simcse-supervised", "sbert")
        with pytest.raises(InputError, match="trains on pairs of texts"):
            run(system, tmp_path)  # it has to be given data
    settings = {**bed.settings, "batch_size": BATCHES.get(name, 16), "dtype": "float32"}
    # texts are begun small, since their beds' starts are trained; but what prepares data by its start needs a good one
    small = method.takes.anchors == "text" and not method.stages[0].prepare
    start = (lambda data, seed: load(sources / "bert")) if small else bed.start
    bed = replace(bed, epochs=0, steps=steps, settings=settings, parts=few(bed), start=start)
    method, data = replace(method, start=bed.start or method.start), bed.parts(0)[0]
    method.started(data, 0)  # some starts are trained once and kept
    watched.told()
    # several stages share the steps as their own lengths are to each other
    lengths = [stage.train.steps or stage.train.epochs for stage in method.stages]
    shares = [max(1, round(steps * length / sum(lengths))) for length in lengths]
    changed = method.changed(**settings, validations=1).stages
    stages = [replace(s, train=replace(s.train, steps=n)) for s, n in zip(changed, shares, strict=True)]
    replace(method, stages=tuple(stages)).make(data, 0)
    wanted = watched.told()
    assert len(wanted) >= len(method.stages)
    run(replace(system, sample=bed, claims=(), run=None), tmp_path)
    # a start that is not kept is trained for the untrained arm, too
    same(watched.told()[-len(wanted) :], wanted)


@pytest.mark.parametrize("name", ["promptbert", "mo-scntm"])
def test_a_run_measures_what_its_small_data_have(name, tmp_path):
    """The main claim is of captions by their picture, or of topics, of which the untrained have none."""
    said = []
    system = get(name)
    bed = replace(system.sample, epochs=0, steps=1)
    found = run(replace(system, sample=bed), tmp_path, say=said.append)
    (own,) = {key.split(": ", 1)[1] for key in found}
    assert own == bed.figures[0].name
    assert len(found) == 2
    assert any(f"have nothing for {system.claims[0].figure.name}" in line for line in said)


def few(bed):
    """Some rows of a testbed, and their items alone: whatever there is would be tokenised."""

    def parts(seed):
        data, test = sample(bed, 72), bed.parts(seed)[1]
        anchors, anchor = alone(data.anchors, data.anchor)
        if data.others is None:
            return replace(data, anchors=anchors, anchor=anchor), test
        others, *sides = alone(data.others, data.positives, data.negatives)
        named = dict(zip(("positives", "negatives"), sides, strict=True))
        return replace(data, anchors=anchors, anchor=anchor, others=others, **named), test

    return parts


def alone(items, *sides):
    """Those that are on a side, and the sides as rows of these."""
    used = torch.cat([side.flatten() for side in sides if side is not None]).unique()
    used = used[used >= 0]
    places = [side if side is None else torch.where(side < 0, side, torch.searchsorted(used, side)) for side in sides]
    return items[used], *places
