"""`fit` on every kind of data: a measured model, a report, an index that is searched; killed, the same weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.data.items import Items
from counterpoint.encoders import StaticEncoder, load
from counterpoint.encoders.wrapping import late_interaction
from counterpoint.errors import InputError
from counterpoint.fitting import fit
from counterpoint.search import Index, maxsim

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (20, 40, 190)}
PEOPLE = [f"p{i}" for i in range(30)]


def picture(colour: str, number: int) -> Image.Image:
    """Of one colour, with a bright square where the number says."""
    pixels = np.full((8, 8, 3), COLOURS[colour], np.uint8)
    row, column = divmod(number % 49, 7)
    pixels[row : row + 2, column : column + 2] = 255 - number
    return Image.fromarray(pixels)


def made(kind: str, folder: Path) -> Path:
    """A small source of each kind."""
    if kind == "triples":
        rows = [f"{a}\tbefore\t{b}\n" for i, a in enumerate(PEOPLE) for b in PEOPLE[i + 1 : i + 4]]
        rows += [f"{b}\tafter\t{a}\n" for i, a in enumerate(PEOPLE) for b in PEOPLE[i + 1 : i + 3]]
        (folder / "people.tsv").write_text("".join(rows))
        return folder / "people.tsv"
    source = folder / "source"
    source.mkdir()
    lines = ["image\ttext\n"]
    for colour in COLOURS:
        (source / colour).mkdir()
        for number in range(24):
            name = f"{colour}/{number}.png"
            picture(colour, number).save(source / name)
            lines.append(f"{name}\ta {colour} picture, number {number}\n")
    if kind == "captions":
        (source / "captions.tsv").write_text("".join(lines))
    return source


METRICS = {"pictures": "knn accuracy", "captions": "mean recall", "triples": "mrr"}
QUERIES = {"pictures": "source/red/1.png", "captions": "a green picture", "triples": "p3 | before | ?"}
SETTINGS = {"dev": 12, "test": 12, "epochs": 2, "say": lambda _: None}


@pytest.mark.parametrize("kind", METRICS)
def test_every_kind_ends_with_a_measured_model_and_is_searched(tmp_path, monkeypatch, kind):
    source = made(kind, tmp_path)
    result = fit(source, tmp_path / "run", index=True, **SETTINGS)
    assert result.content.metric == METRICS[kind]
    assert [m.name for m in result.measured][-2:] == ["untrained", "trained"]
    assert "<html" in (tmp_path / "run" / "report.html").read_text()
    items = {"pictures": "image", "captions": "text", "triples": "query"}[kind]
    loaded, trained = (each.encode_items(items_of(kind, result), kind="query") for each in (
        load(tmp_path / "run" / "model"), result.encoder,
    ))  # fmt: skip
    np.testing.assert_allclose(loaded, trained, atol=1e-6)
    assert items_of(kind, result).modality == items
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["search", "run", QUERIES[kind], "-k", "3", "--json"])
    assert found.exit_code == 0, found.output
    hits = json.loads(found.stdout)["hits"]
    if kind == "pictures":
        # the picture that is asked for is in the index
        assert hits[0]["id"] == "red/1.png"
        assert hits[0]["score"] == pytest.approx(1, abs=1e-5)
    if kind == "captions":
        assert "green" in hits[0]["text"]
        both = CliRunner().invoke(app, ["search", "run/index-texts", "source/red/1.png", "--json"])
        assert len(json.loads(both.stdout)["hits"]) == 5
    if kind == "triples":
        # what is known from training is not repeated
        graph = result.encoder
        known = {(graph.entities[h], graph.entities[t]) for h, r, t in graph.known.tolist() if r == 0}
        assert not {h["id"] for h in hits} & {tail for head, tail in known if head == "p3"}
        refused = CliRunner().invoke(app, ["search", "run", QUERIES[kind], "--where", "year = 1990"])
        assert "a knowledge graph has no columns" in str(refused.exception)
    again = CliRunner().invoke(app, ["evaluate", "run/model", str(source), "--json"])
    assert again.exit_code == 0, again.output
    assert METRICS[kind] in json.loads(again.stdout)[0]["figures"]


@pytest.mark.parametrize("kind", METRICS)
def test_every_kind_is_trained_without_validation(tmp_path, kind):
    result = fit(made(kind, tmp_path), tmp_path / "run", **SETTINGS | {"dev": 0, "epochs": 1})
    assert not any("dev" in row for row in result.content.history)
    assert result.content.metric == METRICS[kind]


def items_of(kind, result):
    import torch

    from counterpoint.data.items import Items

    if kind == "pictures":
        return Items("image", torch.arange(2 * 3 * 64, dtype=torch.uint8).view(2, 3, 8, 8) % 251)
    if kind == "captions":
        return Items("text", ["a red picture", "blue"])
    return Items("query", torch.tensor([[0, 0], [1, 1]]))


@pytest.mark.parametrize("kind", METRICS)
def test_killed_and_gone_on_with_it_ends_the_same(tmp_path, kind):
    source = made(kind, tmp_path)

    def run(output: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "counterpoint", "fit", str(source), "--output", output, "--epochs", "30", "--dev",
            "12", "--test", "12", "--checkpoint-seconds", "0",
        ]  # fmt: skip
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, **quiet)

    whole = run("whole")
    killed = run("killed")
    mark = tmp_path / "killed" / ".training" / "checkpoint" / "state.json"
    while not mark.exists() and killed.poll() is None:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert run("killed").wait() == 0
    assert whole.wait() == 0
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole" / "model").rglob("*.safetensors"))
    assert files
    for file in files:
        one, other = (load_file(tmp_path / name / file) for name in ("whole", "killed"))
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("kind", ["pictures", "captions"])
def test_pictures_of_one_name_are_all_in_the_index(tmp_path, kind):
    sources = []
    for part in ("one", "other"):
        (tmp_path / part).mkdir()
        sources.append(made(kind, tmp_path / part))
    for file in sources[1].rglob("*.png"):
        picture(file.parent.name, int(file.stem) + 24).save(file)
    fit(sources[0], tmp_path / "run", more=sources[1:], index=True, **SETTINGS | {"epochs": 1})
    with Index.open(tmp_path / "run" / "index") as index:
        assert len(index) == 2 * 3 * 24
        assert None not in index.get(["red/1.png", "red/1.png (2)"])


def test_rows_in_memory_are_trained_on(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"query": [f"a {c} {i}" for c in COLOURS for i in range(30)]})
    frame["document"] = [f"{i} in {c}" for c in COLOURS for i in range(30)]
    framed = fit(frame, tmp_path / "frame", base="static", epochs=1, say=lambda _: None)
    rows = list(zip(frame["query"], frame["document"], strict=True))
    listed = fit(rows, tmp_path / "rows", base="static", epochs=1, say=lambda _: None)
    assert framed.content.data.schema == listed.content.data.schema == "pairs"
    assert (framed.encoder.encode(["a red 1"]) == listed.encoder.encode(["a red 1"])).all()
    alone = fit([f"the {c} thing number {i}" for c in COLOURS for i in range(40)], tmp_path / "alone", base="static",
                epochs=1, say=lambda _: None)  # fmt: skip
    assert alone.content.data.schema == "texts"


@pytest.mark.parametrize(
    ("kind", "base", "said"),
    [
        ("pictures", "minilm", "minilm is a base for texts, and these are pictures"),
        ("triples", "resnet", "resnet is a base for pictures, and these are triples"),
        ("captions", "complex", "complex is a base for triples, and these are pictures with texts"),
    ],
)
def test_a_base_for_other_data_is_refused(tmp_path, kind, base, said):
    with pytest.raises(InputError, match=said):
        fit(made(kind, tmp_path), tmp_path / "run", base=base, say=lambda _: None)
    assert not (tmp_path / "run").exists()


def test_a_model_of_texts_is_no_base_for_pictures_and_no_reader_of_them(tmp_path, monkeypatch):
    source = made("pictures", tmp_path)
    rows = [(f"a {c} {i}", f"{i} in {c}") for c in COLOURS for i in range(30)]
    fit(rows, tmp_path / "texts", base="static", epochs=1, say=lambda _: None)
    with pytest.raises(InputError, match="is a model of text, and these are image"):
        fit(source, tmp_path / "run", base=str(tmp_path / "texts" / "model"), say=lambda _: None)
    monkeypatch.chdir(tmp_path)
    for command in (["encode", "source", "-o", "z.npy"], ["index", "source", "-o", "idx"]):
        found = CliRunner().invoke(app, [*command, "--model", "texts/model"])
        assert isinstance(found.exception, InputError)
    assert not (tmp_path / "z.npy").exists()
    assert not (tmp_path / "idx").exists()


def test_epochs_are_epochs_of_triples_too(tmp_path):
    result = fit(made("triples", tmp_path), tmp_path / "run", **SETTINGS | {"epochs": 1})
    assert result.content.history[-1]["epoch"] == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize(
    "setting", [{"epochs": float("nan")}, {"learning_rate": float("inf")}, {"dev": "nan"}, {"seed": -1}]
)
def test_numbers_that_are_none_are_refused_before_anything_is_written(tmp_path, setting):
    with pytest.raises(InputError, match=r"must be above 0|cannot be held out|must be from 0"):
        fit(made("triples", tmp_path), tmp_path / "run", **{"say": lambda _: None} | setting)
    assert not (tmp_path / "run").exists()


def test_a_model_says_what_it_takes_instead(tmp_path, monkeypatch):
    made("pictures", tmp_path)
    rows = [(f"a {c} {i}", f"{i} in {c}") for c in COLOURS for i in range(30)]
    fit(rows, tmp_path / "texts", base="static", epochs=1, index=True, say=lambda _: None)
    fit(tmp_path / "source", tmp_path / "run", **SETTINGS | {"epochs": 1})
    (tmp_path / "a.tsv").write_text("one\ttwo\n" * 3)
    monkeypatch.chdir(tmp_path)
    for command, said in {
        ("search", "texts", "source/red/1.png"): "a picture, and the model takes texts",
        ("search", "texts", "red", "--where", "lang = en"): "no column 'lang': the documents of this index have none",
        ("encode", "a.tsv", "-m", "run/model", "-o", "z.npy"): "the model takes image, and these are texts",
        ("encode", "source", "-m", "texts/model", "-o", "z.npy"): "the model takes text, and these are pictures",
    }.items():
        error = CliRunner().invoke(app, list(command)).exception
        assert isinstance(error, InputError)
        assert said in str(error)
    with pytest.raises(InputError, match="is a model of text, and these are image"):
        fit(tmp_path / "source", tmp_path / "other", base=str(tmp_path / "texts/model"), say=lambda _: None)
    assert not (tmp_path / "other").exists()


def test_a_model_of_several_vectors_a_text_has_an_index_of_them(tmp_path):
    rows = [(f"a {c} {i}", f"{i} in {c}") for c in COLOURS for i in range(30)]
    late_interaction(StaticEncoder.from_corpus([text for row in rows for text in row], dim=8), size=4).save(
        tmp_path / "m"
    )
    fit(rows, tmp_path / "run", base=str(tmp_path / "m"), epochs=1, index=True, say=lambda _: None)
    encoder = load(tmp_path / "run" / "model")
    with Index.open(tmp_path / "run" / "index", encoder=encoder) as index:
        assert index.several
        (hits,) = index.search(encoder.encode_each(Items("text", ["7 in green"]), kind="query"), len(index))
        every = encoder.encode_each(Items("text", [hit.text for hit in hits]), kind="document")
        (_, scores) = maxsim(encoder.encode_each(Items("text", ["7 in green"]), kind="query"), every, len(hits))
    np.testing.assert_allclose([hit.score for hit in hits], scores[0], rtol=2e-3)
