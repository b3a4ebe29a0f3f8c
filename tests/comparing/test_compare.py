"""Comparing systems: equal footing, intervals over seeds, stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoint.comparing import Entry, Job, compare
from counterpoint.comparing.entries import entry_file, parts_of, read_entry, run_job
from counterpoint.comparing.given import content_digest, read_tests
from counterpoint.comparing.run import _bind, content_of
from counterpoint.data import read
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate_any
from counterpoint.files import write_json
from counterpoint.fitting.bases import make_base
from counterpoint.report.wording import sure, verdict
from counterpoint.systems import every

ROWS = "query\tdocument\n" + "".join(
    f"the {c} {t} {n}\t{t} {n} painted {c}\n" for c in ("red", "blue") for t in ("car", "boat") for n in range(30)
)


def entries(name, values, seconds=1.0):
    return [
        Entry(name, seed, "mrr@10", {"mrr@10": v, "recall@1": v / 2}, seconds, 10.0) for seed, v in enumerate(values)
    ]


def test_leaderboard_has_means_t_intervals_and_paired_differences():
    job = Job("a.tsv", "static", {"epochs": 2})
    runs = [entries("A", [0.5, 0.6, 0.7]), entries("B", [0.6, 0.71, 0.79]), entries("C", [0.1, 0.2, 0.1], 3.0)]
    content = content_of(job, runs)
    assert [s.name for s in content.systems] == ["B", "A", "C"]
    a = content.systems[1].figures["mrr@10"]
    # by hand: mean 0.6, standard deviation 0.1, t of 2 degrees of freedom 4.3027
    assert (a.value, a.low, a.high, a.n) == pytest.approx((0.6, 0.6 - 4.3027 * 0.1 / 3**0.5, 0.8484, 3), abs=1e-4)
    main = [d for d in content.differences if d.metric == "mrr@10"]
    assert [(d.a, d.b) for d in main] == [("B", "A"), ("B", "C"), ("C", "A")]
    assert main[0].value == pytest.approx(0.1)
    assert main[0].clear
    assert content.settings["C"] == "3.0 s of training, 10 MB"
    assert sure(content)[0] == "Intervals are 95%, Student's t over 3 seeds. They cover another seed, not other data."


def test_the_start_is_no_system_that_wins():
    """It stands first in the table, and the verdict is about the best that was trained."""
    runs = [entries("untrained", [0.9, 0.9, 0.91]), entries("A", [0.5, 0.6, 0.7]), entries("B", [0.2, 0.21, 0.19])]
    content = content_of(Job("a.tsv"), runs)
    assert [s.name for s in content.systems] == ["untrained", "A", "B"]
    assert content.model.name == "A"
    word, said = verdict(content)
    assert word == "In part"
    assert said == "Clearly better than B; clearly worse than untrained."


def run(folder, epochs=1):
    command = [
        "compare",
        "pairs.tsv",
        "gradcache",
        "e5",
        "--seeds",
        "2",
        "--epochs",
        str(epochs),
        "--output",
        "out",
        "--skip-bad",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "counterpoint", *command], cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # a shell makes what it starts in the background deaf to an interrupt, and so what that starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_stopped_and_gone_on_with(tmp_path):
    (tmp_path / "pairs.tsv").write_text(ROWS + "only one field\n")
    first = tmp_path / "out" / "gradcache-0.json"
    process = run(tmp_path)
    while not first.exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.communicate()[1]
    process.communicate()
    kept = first.stat().st_mtime_ns
    process = run(tmp_path)
    out, error = process.communicate()
    assert process.returncode == 0, error
    assert first.stat().st_mtime_ns == kept
    assert "1 row left out, listed with the reasons in out/rejected.jsonl" in error.replace("\n", "")
    assert (tmp_path / "out" / "rejected.jsonl").exists()
    assert "4/4" in error
    assert "GradCache" in out
    about = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert {(e["system"], e["seed"]) for e in about["entries"]} == {
        ("GradCache", 0),
        ("GradCache", 1),
        ("E5", 0),
        ("E5", 1),
    }
    assert "<html" in (tmp_path / "out" / "report.html").read_text()


def test_tests_that_are_given_take_the_place_of_what_is_held_out(tmp_path):
    """The start, which `untrained` is, has the figures that `evaluate` gives."""
    words = [("rouge", "red"), ("bleu", "blue")], [("voiture", "car"), ("bateau", "boat")]
    pairs = [f"{a} {x} {n}\t{n} {b} {y}\n" for (a, b), (x, y) in product(*words) for n in range(30)]
    (tmp_path / "pairs.tsv").write_text("query\tdocument\n" + "".join(pairs))
    rows = [f"{i % 6}\tthe {'red' if i % 2 else 'blue'} car {i}\tthe {c} boat {i}" for i, c in enumerate(["red"] * 24)]
    (tmp_path / "likeness.tsv").write_text("\n".join(["score\tsentence1\tsentence2", *rows]) + "\n")
    (tmp_path / "kinds.tsv").write_text(
        "label\ttext\n" + "".join(f"{c}\t{c} thing {i}\n" for i in range(9) for c in "ab")
    )
    source, on = str(tmp_path / "pairs.tsv"), [str(tmp_path / f"{name}.tsv") for name in ("likeness", "kinds")]
    said = []
    options = {"on": on, "seeds": 2, "epochs": 8, "jobs": 2, "say": said.append}
    found = compare(source, ["untrained", "gradcache"], tmp_path / "out", **options)
    assert {(e.system, e.metric) for e in found.entries} == {
        ("untrained", "likeness: spearman"), ("GradCache", "likeness: spearman"),
    }  # fmt: skip
    assert [line.split()[0] for line in said[1:]] == ["1/4", "2/4", "3/4", "4/4"]
    start = next(e for e in found.entries if (e.system, e.seed) == ("untrained", 1))
    encoder = make_base("static", parts_of(Job(source, on=on)).train, 1)
    (own, *_), (kinds, *_) = (evaluate_any(encoder, read(file), samples=0) for file in on)
    assert start.figures["likeness: spearman"] == pytest.approx(own["spearman"].value)
    assert start.figures["kinds: knn_accuracy"] == kinds["knn_accuracy"].value
    trained = next(e for e in found.entries if (e.system, e.seed) == ("GradCache", 1))
    assert trained.figures != start.figures


@pytest.mark.parametrize(
    ("source", "systems", "options", "said"),
    [
        ("digits", ["simclr"], {}, "nothing to compare it with"),
        ("digits", ["simclr", "nothing"], {}, "no system is called 'nothing'"),
        ("digits", ["simclr", "dcl"], {"seeds": 1}, "two seeds or more"),
        ("digits", ["simclr", "dcl"], {"epochs": 0}, "epochs is 0, it must be above 0"),
        ("digits", ["simclr", "dcl"], {"epochs": float("inf")}, "epochs is inf, it must be above 0 and finite"),
        ("digits", ["simclr", "dcl"], {"batch_size": 0}, "^batch_size is 0, it must be above 0"),
        ("digits", ["simclr", "dcl"], {"jobs": 0}, "^0 jobs; give 1 or more"),
        ("digits", ["simclr", "dcl"], {"on": ["a.tsv"]}, "tests of texts, and the data are not texts"),
        ("included:debian", ["e5", "dpr"], {"on": ["nowhere.tsv"]}, "nowhere.tsv: no such file"),
        ("included:debian", ["e5", "dpr"], {"on": [" "]}, "a test without a name"),
        ("digits", ["e5", "dpr"], {}, "E5 trains on pairs of texts, and these are pictures with labels"),
        ("digits", ["simclr", "mcl"], {}, "^MCL trains in a way of its own"),
        ("digits", ["simclr", "on-mi-maximization"], {}, "^On MI Maximization trains in a way of its own"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, source, systems, options, said):
    with pytest.raises(InputError, match=said):
        compare(source, systems, tmp_path / "out", **options)


def test_one_label_and_another_content_of_a_test_are_refused(tmp_path):
    (tmp_path / "pairs.tsv").write_text(ROWS)
    kinds = tmp_path / "kinds.tsv"
    kinds.write_text("label\ttext\n" + "".join(f"a\ta thing {i}\n" for i in range(9)))
    asked = {"source": str(tmp_path / "pairs.tsv"), "systems": ["untrained", "gradcache"], "output": tmp_path / "out"}
    with pytest.raises(InputError, match=r"kinds.tsv: all rows have the same labels"):
        compare(**asked, on=[str(kinds)])
    kinds.write_text("label\ttext\n" + "".join(f"{c}\t{c} thing {i}\n" for i in range(9) for c in "ab"))
    tests = {name: content_digest(test) for name, test in read_tests([str(kinds)]).items()}
    job = Job(asked["source"], on=[str(kinds)])
    write_json(tmp_path / "out" / "asked.json", {**asdict(job), "tests": tests})
    write_json(tmp_path / "out" / "gradcache-0.json", {})
    kinds.write_text("label\ttext\n" + "".join(f"{c}\t{c} thing {i}\n" for i in range(8) for c in "ab"))
    with pytest.raises(InputError, match=r"other settings \(.*tests.*\)"):
        compare(**asked, on=[str(kinds)])


def test_interrupted_it_ends_at_once_and_so_does_what_it_started(tmp_path):
    (tmp_path / "pairs.tsv").write_text(ROWS)
    # so many that it is not over before anybody looks
    process = run(tmp_path, epochs=500)
    while not (tmp_path / "out" / "asked.json").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(2)  # the first run has begun
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "stopped" in said


def test_a_folder_holds_one_comparison_once_a_run_is_done(tmp_path):
    with pytest.raises(InputError, match="E5 trains on pairs of texts"):
        compare("digits", ["e5", "dpr"], tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "rejected.jsonl").touch()  # which a comparison that was refused has left
    with pytest.raises(InputError, match="E5 trains on pairs of texts"):
        compare("digits", ["e5", "dpr"], tmp_path)
    write_json(tmp_path / "asked.json", {"source": "digits", "base": "static", "settings": {}, "reading": {}})
    with pytest.raises(InputError, match="no such file"):
        compare("nowhere.tsv", ["e5", "dpr"], tmp_path)
    write_json(tmp_path / "e5-0.json", {})
    with pytest.raises(InputError, match=r"other settings \(.*source.*\)"):
        compare(pictures(tmp_path, 3), ["simclr", "dcl"], tmp_path)


def test_a_folder_holds_the_comparison_of_one_content_and_one_start(tmp_path):
    """The same names may come to hold something else."""
    source, start = tmp_path / "pairs.tsv", tmp_path / "start"
    source.write_text(ROWS)
    StaticEncoder.from_corpus(ROWS.split("\n"), dim=8).save(start)
    options = {"base": str(start), "seeds": 2, "epochs": 1, "say": lambda _: None}
    compare(str(source), ["untrained", "gradcache"], tmp_path / "out", **options)
    source.write_text(ROWS.replace("painted", "drawn"))
    with pytest.raises(InputError, match=r"other settings \(data\)"):
        compare(str(source), ["untrained", "gradcache"], tmp_path / "out", **options)
    source.write_text(ROWS)
    StaticEncoder.from_corpus(ROWS.split("\n"), dim=8, seed=1).save(start)
    with pytest.raises(InputError, match=r"other settings \(start\)"):
        compare(str(source), ["untrained", "gradcache"], tmp_path / "out", **options)


def test_settings_bind_once_a_stage_has_a_checkpoint_and_lists_are_tuples(tmp_path):
    _bind(tmp_path, {"reading": {"columns": {"negative": ("a", "b")}}})
    (tmp_path / ".e5-0" / "stage-1" / "checkpoint").mkdir(parents=True)
    _bind(tmp_path, {"reading": {"columns": {"negative": ("a", "b")}}})
    with pytest.raises(InputError, match=r"other settings \(reading\)"):
        _bind(tmp_path, {"reading": {}})


def test_a_folder_of_pictures_is_trained_on_as_digits_are(tmp_path):
    rng = np.random.default_rng(0)
    for name, middle in (("dark", 60), ("bright", 200)):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.normal(middle, 20, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    job = Job(str(tmp_path / "pictures"), "resnet", system="simclr", seed=1, settings={"epochs": 20})
    run_job(job, tmp_path)
    entry = read_entry(entry_file(job, tmp_path))
    assert entry.metric == "knn accuracy"
    assert entry.figures["probe accuracy"] > 0.8


def test_all_encode_as_many_views(tmp_path, monkeypatch):
    """The loop's settings are those of the data, also for those whose own measurement is shorter."""
    asked = {}

    def make(self, data, seed, *, encoder, **options):
        asked[self.name] = [stage.train for stage in self.stages]

    monkeypatch.setattr("counterpoint.methods.Recipe.make", make)
    for name in ("simclr", "swav", "supcon", "ecaml"):
        run_job(Job("digits", "resnet", settings={"epochs": 2.5}, system=name), tmp_path)
    assert all(len(stages) == 1 for stages in asked.values())
    simclr, swav, *others = (stages[0] for stages in asked.values())
    assert others == [simclr, simclr]
    assert simclr.epochs == 2.5
    assert swav == replace(simclr, epochs=2.5 / 3)


def pictures(folder, classes):
    """Twenty pictures in colour of each class."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat_interleave(20)
    pixels = torch.rand(len(labels), 8, 8, 3, generator=g)
    file = folder / f"{classes}.npz"
    np.savez(file, images=(255 * pixels).byte().numpy(), labels=labels.numpy())
    return str(file)


LACKING = {
    "causirl": "domain", "ccl-k": "attributes", "invariant-nw-head": "domain", "supremix": "angle", "sepclr": "target",
}  # fmt: skip
"""They learn from columns that pictures alone do not have."""
ON_IMAGES = [s for s in every() if s.method().takes.anchors == "image"]


@pytest.mark.parametrize("system", ON_IMAGES, ids=lambda s: s.slug)
def test_any_pictures_will_do(tmp_path, system):
    """A step on pictures of another number of classes than digits, or a sentence why not."""
    job = Job(pictures(tmp_path, 8), "resnet", system=system.slug, settings={"steps": 1, "batch_size": 128})
    if system.slug in LACKING or system.method().own_start:
        said = f"without '{LACKING[system.slug]}'" if system.slug in LACKING else "a way of its own"
        with pytest.raises(InputError, match=said):
            run_job(job, tmp_path)
    else:
        run_job(job, tmp_path)
        assert 0 <= read_entry(entry_file(job, tmp_path)).figures["probe accuracy"] <= 1


@pytest.mark.parametrize("name", ["encouraging-loss"])
def test_more_classes_than_a_system_has_is_one_sentence(tmp_path, name):
    with pytest.raises(InputError, match="12 classes, and"):
        run_job(Job(pictures(tmp_path, 12), "resnet", system=name), tmp_path)


def test_a_run_that_fails_does_not_stop_the_others(tmp_path):
    """What they came to is kept, and the same call needs to run the failed one alone."""
    said = []
    with pytest.raises(InputError, match=r"2 of 4 runs failed, the others are kept; encouraging-loss, seed 0: .*12"):
        compare(
            pictures(tmp_path, 12), ["encouraging-loss", "untrained"], tmp_path / "out", base="resnet", seeds=2,
            say=said.append,
        )  # fmt: skip
    assert [entry_file(Job("", system="untrained", seed=s), tmp_path / "out").exists() for s in (0, 1)] == [True, True]
    assert sum("failed: encouraging-loss" in line for line in said) == 2
