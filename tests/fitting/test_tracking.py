"""What is logged: once, all of it, and again after a kill."""

from __future__ import annotations

import importlib.machinery
import json
import sys
import types

import pytest

from counterpoint.errors import InputError, MissingExtra
from counterpoint.fitting import fit
from counterpoint.fitting.tracking import Tracking, check_tracker

pytest.importorskip("accelerate")
ROWS = "query\tdocument\n" + "".join(f"the {c} {n}\t{c} {n} here\n" for c in ("red", "blue", "pink") for n in range(40))


def scalars(folder):
    """Tag -> [(step, value)], as TensorBoard shows them."""
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def run(folder, **options):
    settings = {"base": "static", "epochs": 2, "say": lambda _: None, "seed": 0}
    return fit(folder / "pairs.tsv", folder / "run", **(settings | options))


def test_tensorboard_shows_every_row_and_the_figures(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "pairs.tsv").write_text(ROWS)
    rows = []
    result = run(tmp_path, log="tensorboard", on_row=rows.append)
    shown = scalars(tmp_path / "run" / "logs" / "tensorboard")
    for key, tag in (("loss", "train/loss"), ("learning_rate", "train/learning_rate"), ("dev", "validation/dev")):
        expected = [(row["step"], row[key]) for row in rows if key in row]
        assert [step for step, _ in shown[tag]] == [step for step, _ in expected]
        assert [value for _, value in shown[tag]] == pytest.approx([value for _, value in expected], rel=1e-5)
    assert {"train/alignment", "train/uniformity", "train/effective_rank"} <= shown.keys()
    trained = next(m for m in result.measured if m.name == "trained")
    (end,) = shown["test/trained/mrr@10"]
    assert end == (rows[-1]["step"], pytest.approx(trained.figures["mrr@10"].value))
    (kept,) = (tmp_path / "run" / "logs").rglob("hparams.yml")
    assert "source: " in kept.read_text()


def test_a_run_that_goes_on_logs_no_step_twice(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "pairs.tsv").write_text(ROWS)
    told = []

    def stop(row):
        told.append(row)
        if len(told) == 40:
            raise KeyboardInterrupt

    settings = {"log": "tensorboard", "epochs": 40, "checkpoint_seconds": 1e-9}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_row=stop, **settings)
    assert not (tmp_path / "run" / "run.json").exists()
    result = run(tmp_path, **settings)
    shown = scalars(tmp_path / "run" / "logs" / "tensorboard")["train/loss"]
    expected = [(int(row["step"]), row["loss"]) for row in result.content.history if "loss" in row]
    assert [step for step, _ in shown] == [step for step, _ in expected]
    assert [value for _, value in shown] == pytest.approx([value for _, value in expected], rel=1e-5)
    assert len(list((tmp_path / "run" / "logs").rglob("hparams.yml"))) == 1


class FakeRun:
    """What accelerate asks of a wandb or trackio run."""

    def __init__(self, file, settings):
        self.file, self.config = file, self
        self.write("init", settings)

    def write(self, what, value):
        with self.file.open("a") as lines:
            lines.write(json.dumps([what, value]) + "\n")

    def update(self, values, allow_val_change=False):
        assert allow_val_change
        self.write("config", values)

    def log(self, values, step=None):
        self.write("log", [step, values])

    def finish(self):
        self.write("finish", None)


def fake(monkeypatch, name, file, run_class=FakeRun):
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)

    def init(**settings):
        module.config = FakeRun(file, settings)
        return module.config

    module.init, module.Run = init, run_class
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_others_are_told_the_same(tmp_path, monkeypatch, name):
    fake(monkeypatch, name, tmp_path / "told.jsonl")
    (tmp_path / "pairs.tsv").write_text(ROWS)
    rows = []
    run(tmp_path, log=name, on_row=rows.append)
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [what for what, _ in told] == ["init", "config", *["log"] * (len(rows) + 1), "finish"]
    assert told[0][1]["project"] == "counterpoint"
    assert told[1][1]["batch_size"]
    assert told[1][1]["source"] == str(tmp_path / "pairs.tsv")
    assert [step for step, _ in (value for what, value in told[2:-2])] == [row["step"] for row in rows]
    assert told[3][1][1]["train/loss"] == pytest.approx(rows[1]["loss"])
    assert "test/trained/mrr@10" in told[-2][1][1]


def test_others_are_told_once_after_a_kill(tmp_path, monkeypatch):
    fake(monkeypatch, "wandb", tmp_path / "told.jsonl")
    for last in (3, 5):  # the second begins again at 2, from its checkpoint
        tracking = Tracking("wandb", tmp_path / "run", {"a": 1})
        for step in range(0 if last == 3 else 2, last + 1):
            tracking.row({"step": step, "loss": 1.0})
    tracking.figures({"figure": 1.0}, 5)
    Tracking("wandb", tmp_path / "run", {"a": 1}).figures({"figure": 1.0}, 5)
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [value[0] for what, value in told if what == "log"] == [0, 1, 2, 3, 4, 5, 5]
    assert len({value["id"] for what, value in told if what == "init"}) == 1
    assert [what for what, _ in told].count("config") == 1


def test_an_unknown_tracker_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="unknown tracker 'diary'; choose tensorboard, wandb or trackio"):
        fit(tmp_path / "absent.tsv", tmp_path / "run", log="diary")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "missing", "said"),
    [
        ("tensorboard", "tensorboard", r"tensorboard is not installed; run: pip install 'counterpoint\[log\]'"),
        ("wandb", "accelerate", r"accelerate is not installed; run: pip install 'counterpoint\[log\]'"),
        ("wandb", "wandb", "wandb is not installed; run: pip install wandb"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, name, missing, said):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None if module == missing else object())
    with pytest.raises(InputError, match=said) as error:
        check_tracker(name)
    assert isinstance(error.value, MissingExtra) == (missing != "wandb")


def test_a_trackio_without_steps_is_refused(tmp_path, monkeypatch):
    class Old:
        def log(self, metrics): ...

    fake(monkeypatch, "trackio", tmp_path / "told.jsonl", Old)
    with pytest.raises(InputError, match="too old to log steps; run: pip install --upgrade trackio"):
        check_tracker("trackio")
