"""DiscoEval's folder, and its probes: against scikit-learn and by hand, and through the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data import read_discourse_tasks
from counterpoint.encoders import StaticEncoder
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate_discourse
from counterpoint.evaluate.discourse import both_orders, first_and_differences, with_hidden_layer

SIZES = {"train": 24, "valid": 12, "test": 12}
WORDS = ("alpha", "beta", "gamma", "delta", "eta")


def rows(kind: str, n: int, seed: int) -> list[str]:
    """Sentences that say where they stand, by their word; of coherent ones all six have one letter."""
    rng, found = np.random.default_rng(seed), []
    for i in range(n):
        if kind == "SP":
            place = i % 5
            order = [place, *(p for p in range(5) if p != place)]
            found.append("\t".join([str(place), *(f"{WORDS[p]} {'xyz'[i % 3]}" for p in order)]))
        elif kind == "BSO":
            found.append(f"{WORDS[0]} {'xyz'[i % 3]}\t{WORDS[1]}  {'xyz'[i % 3]}")
        elif kind == "DC":
            own = "xyz"[i % 3]
            letters = [own] * 4 + [own if i % 2 else "xyz"[(i + 1) % 3], own]
            found.append("\t".join([str(i % 2), *(f"{WORDS[p % 5]} {letter}" for p, letter in enumerate(letters))]))
        elif kind == "SSP":
            found.append(f"{i % 2}\t{WORDS[i % 2]} {'xyz'[rng.integers(3)]}")
        else:
            found.append(f"{i % 3 + 1}\t{WORDS[0]} x\t{WORDS[i % 3]} x")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("discoeval")
    for kind, name in (
        ("SP", "wiki"),
        ("SP", "arxiv"),
        ("BSO", "wiki"),
        ("DC", "chat"),
        ("SSP", "abs"),
        ("PDTB", "Explicit"),
    ):
        (root / kind / name).mkdir(parents=True)
        for seed, (part, n) in enumerate(SIZES.items()):
            (root / kind / name / f"{part}.txt").write_text("\n".join(rows(kind, n, seed)) + "\n")
    return root


class Letters:
    """Counts letters, and looks at nothing else."""

    def encode(self, texts, *, kind=None):
        return np.array([[text.count(letter) for letter in "abdegjlmtxyz"] for text in texts], dtype=np.float32)


def test_a_folder_is_read_by_kinds(folder):
    tasks = read_discourse_tasks(folder)
    assert list(tasks) == ["SP arxiv", "SP wiki", "BSO wiki", "DC chat", "SSP abs", "PDTB Explicit"]
    assert tasks["SP wiki"].labels["dev"][:3] == ["0", "1", "2"]
    assert tasks["BSO wiki"].parts["test"][0] == ("alpha x", "beta x")  # one blank between words
    assert [len(part) for part in tasks["DC chat"].parts.values()] == list(SIZES.values())
    assert list(read_discourse_tasks(folder / "SP")) == [name for name in tasks if name.startswith("SP")]
    assert read_discourse_tasks(folder / "SP" / "wiki" / "train.txt") is None
    assert read_discourse_tasks("hf:anything") is None


@pytest.mark.parametrize(("text", "what"), [("0\ta\tb\n", "3 fields"), ("\n", "no rows"), (None, "lacks this file")])
def test_bad_rows_are_refused(tmp_path, text, what):
    place = tmp_path / "SP" / "wiki"
    place.mkdir(parents=True)
    for part in SIZES:
        (place / f"{part}.txt").write_text("\n".join(rows("SP", 5, 0)))
    file = place / "test.txt"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with pytest.raises(InputError, match=what) as told:
        read_discourse_tasks(tmp_path)
    assert "test.txt" in str(told.value)


def test_features_are_the_authors():
    z = np.random.default_rng(0).normal(size=(4, 5, 3))
    found = first_and_differences(z)
    for i in range(4):
        wanted = np.concatenate([z[i, 0], *(z[i, 0] - z[i, k] for k in range(1, 5))])
        np.testing.assert_allclose(found[i], wanted)
    features, labels = both_orders(z[:, 0], z[:, 1])
    for i in range(4):
        np.testing.assert_allclose(features[i], np.concatenate([z[i, 0], z[i, 1], z[i, 0] - z[i, 1]]))
        np.testing.assert_allclose(features[4 + i], np.concatenate([z[i, 1], z[i, 0], z[i, 1] - z[i, 0]]))
    assert labels.tolist() == ["1"] * 4 + ["0"] * 4


def test_what_vectors_say_is_told_and_what_they_do_not_say_is_not(folder):
    tasks = read_discourse_tasks(folder)
    del tasks["DC chat"]
    found = evaluate_discourse(Letters(), tasks, samples=0)
    for name in tasks:
        assert found[name].value == 1.0
    assert found["mean SP"].value == 1.0
    assert found["BSO wiki"].n == 2 * SIZES["test"]

    class Blind:
        def encode(self, texts, *, kind=None):
            return np.ones((len(texts), 2), dtype=np.float32)

    blind = evaluate_discourse(Blind(), {name: tasks[name] for name in ("SP wiki", "BSO wiki")}, samples=0)
    assert blind["BSO wiki"].value == 0.5
    assert blind["SP wiki"].value < 0.5
    with pytest.raises(InputError, match="no task of discourse"):
        evaluate_discourse(Letters(), {})


def test_relations_are_a_regression_without_penalty(folder):
    task = read_discourse_tasks(folder)["PDTB Explicit"]
    noisy = {
        p: [(f"{a} {'ab'[i % 2]}", b + "e" * (i * 7 % 5)) for i, (a, b) in enumerate(some)]
        for p, some in task.parts.items()
    }
    shuffled = {part: some[3:] + some[:3] if part == "train" else some for part, some in task.labels.items()}
    task = type(task)(
        "PDTB", noisy, {**shuffled, "train": [str(i % 2) for i in range(24)], "test": [str(i % 2) for i in range(12)]}
    )
    x = {}
    for part in ("train", "test"):
        u, v = (Letters().encode(side) for side in zip(*task.parts[part], strict=True))
        x[part] = np.concatenate([u, v, u * v, np.abs(u - v)], 1)
    theirs = LogisticRegression(C=1e9, max_iter=5000).fit(x["train"], task.labels["train"])
    wanted = (theirs.predict(x["test"]) == task.labels["test"]).mean()
    assert evaluate_discourse(Letters(), {"PDTB": task}, samples=0)["PDTB"].value == pytest.approx(wanted)


def test_a_hidden_layer_tells_what_no_line_does_and_the_development_part_says_when_to_stop():
    z = np.random.default_rng(0).choice([-1.0, 1.0], size=(256, 2)).astype(np.float32)
    y = np.where(z[:, 0] * z[:, 1] > 0, "a", "b")
    options = {"hidden": 16, "patience": 2, "epochs": 50, "most": 500}
    assert (with_hidden_layer(z, y, z, y, z, **options) == y).all()
    assert (LogisticRegression().fit(z, y).predict(z) == y).mean() < 0.8
    # of states the one that the development part finds best: with labels turned round it is an early one
    turned = np.where(y == "a", "b", "a")
    assert (with_hidden_layer(z, y, z, turned, z, **options) == y).mean() < 0.9
    with pytest.raises(InputError, match="all the same"):
        with_hidden_layer(z, ["a"] * 256, z, y, z)


def test_the_command_finds_the_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "counterpoint.evaluate.discourse.with_hidden_layer", lambda _x, _y, _z, _w, test: np.repeat("1", len(test))
    )
    words = [text for row in rows("SP", 15, 0) for text in row.split("\t")[1:]]
    StaticEncoder.from_corpus(words, dim=16).save(tmp_path / "model")
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "model"), str(folder), "--json"])
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)
    assert result["task"] == "discourse"
    figures = {figure["name"]: figure["value"] for figure in result["figures"]}
    assert {"SP wiki", "mean SP", "DC chat", "mean PDTB"} <= figures.keys()
    assert figures["DC chat"] == 0.5
    refused = CliRunner().invoke(app, ["evaluate", str(tmp_path / "model"), str(folder), "--skip-bad"])
    assert "layouts of these tests are fixed" in str(refused.exception)
