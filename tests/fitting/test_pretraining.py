from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from counterpoint.data import debian
from counterpoint.encoders import StaticEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.fitting import pretrain
from counterpoint.fitting.pretraining import OBJECTIVES, pieces

TEXTS = [" ".join(e.positives[0].split()) for e in debian().train.examples[:150]]
SMALL = {"layers": 1, "width": 64, "vocabulary": 300, "say": lambda _: None, "dtype": "float32"}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_makes_a_model_that_is_a_base(tmp_path, objective):
    made = pretrain(TEXTS, output=tmp_path / "start", objective=objective, steps=3, **SMALL)
    assert made.steps == 3
    assert all(np.isfinite(list(made.figures.values())))
    vectors = [e.encode(TEXTS[:3], dtype="float32") for e in (load(tmp_path / "start"), made.encoder.cpu())]
    assert np.array_equal(*vectors)
    about = json.loads((tmp_path / "start" / "pretraining.json").read_text())
    assert about["figures"] == made.figures
    assert about["asked"]["objective"] == objective
    assert not (tmp_path / "start" / ".training").exists()
    again = pretrain(TEXTS, output=tmp_path / "more", base=str(tmp_path / "start"), steps=1, say=lambda _: None)
    assert again.encoder.dim == 64


def test_it_learns_what_was_held_out(tmp_path):
    # colour, number and verb tell each other
    rows = [
        f"{c} {n} {v} {n} {c}" for c, v in (("red", "runs"), ("blue", "sings"), ("pink", "reads")) for n in range(40)
    ]
    options = {**SMALL, "vocabulary": 120, "held_out": 20, "learning_rate": 3e-3, "batch_size": 32}
    first, later = (pretrain(rows, output=tmp_path / str(n), steps=n, **options).figures for n in (1, 150))
    assert later["masked loss"] < 0.6 * first["masked loss"]
    assert later["masked accuracy"] > later["masked floor"] + 0.2


def test_sources_of_any_schema_are_read_as_texts_once(tmp_path):
    said = []
    with gzip.open(tmp_path / "lines.txt.gz", "wt") as file:
        file.write("\n".join(TEXTS[:60]))
    (tmp_path / "pairs.tsv").write_text("query\tdocument\n" + "".join(f"{t[:20]}\t{t}\n" for t in TEXTS[:50]))
    sources = [tmp_path / "lines.txt.gz", tmp_path / "pairs.tsv"]
    pretrain(*sources, output=tmp_path / "start", steps=1, **{**SMALL, "say": said.append})
    # titles may be alike, too
    assert any(f" of {60 + 100} texts are empty or copies" in sentence for sentence in said), said


def test_long_texts_are_cut_into_pieces_and_nothing_is_lost():
    encoder = small_transformer(TEXTS, layers=1, width=8, heads=2, vocab_size=300, max_seq_length=16)
    found = pieces(encoder, TEXTS)
    rows = found["input_ids"].split(found["offsets"].diff().tolist())
    assert max(map(len, rows)) == 16
    start, end = encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id
    assert all(row[0] == start and row[-1] == end for row in rows)
    whole = [i for t in TEXTS for i in encoder.tokenizer(t, add_special_tokens=False, truncation=False)["input_ids"]]
    assert [i for row in rows for i in row.tolist() if i not in (start, end)] == whole
    # what fits is what the encoder makes of it
    short = [t for t, row in zip(TEXTS, encoder.tokenize(TEXTS)["cut"], strict=True) if not row] or ["a b"]
    assert pieces(encoder, short)["input_ids"].tolist() == encoder.tokenize(short)["input_ids"].tolist()


def test_a_default_prompt_is_in_no_piece():
    encoder = small_transformer(TEXTS, layers=1, width=8, heads=2, vocab_size=300, max_seq_length=16)
    bare = pieces(encoder, TEXTS)
    encoder.prompts, encoder.default_prompt_name = {"always": "a word: "}, "always"
    assert pieces(encoder, TEXTS)["input_ids"].tolist() == bare["input_ids"].tolist()
    assert encoder.prompt() == "a word: "


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"objective": "clm"}, "unknown objective 'clm'; choose one of mlm"),
        ({"width": 100}, "a small model of 1 layers of 100"),
        ({"base": "elsewhere", "layers": 2}, "of a small base"),
        ({"held_out": 149}, "cannot be held out"),
        ({"held_out": "half"}, "half rows cannot be held out; give a fraction, a number of rows"),
        ({"seed": 2**64}, "seed is 18446744073709551616, it must be from 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
    ],
)
def test_errors_are_said_before_anything_is_written(tmp_path, options, match):
    given = {**SMALL, **options}
    if "base" in options:
        given = {k: v for k, v in given.items() if k not in ("width", "vocabulary")}
    with pytest.raises(InputError, match=match):
        pretrain(TEXTS, output=tmp_path / "start", steps=1, **given)
    assert not (tmp_path / "start" / ".training" / "checkpoint").exists()
    assert not (tmp_path / "start" / "config.json").exists()


def test_no_texts_and_strings_are_refused(tmp_path):
    with pytest.raises(InputError, match="no texts"):
        pretrain(output=tmp_path / "a", **SMALL)
    with pytest.raises(InputError, match="fewer than two texts"):
        pretrain(["one", "one", " "], output=tmp_path / "a", **SMALL)
    (tmp_path / "one.txt").write_text("one\n")
    with pytest.raises(InputError, match=r"one\.txt: fewer than two texts"):
        pretrain(tmp_path / "one.txt", output=tmp_path / "a", **SMALL)


def test_a_table_of_vectors_is_no_base(tmp_path):
    StaticEncoder.from_corpus(TEXTS, dim=8).save(tmp_path / "table")
    with pytest.raises(InputError, match="no transformer"):
        pretrain(TEXTS, output=tmp_path / "start", base=str(tmp_path / "table"), say=lambda _: None)


def test_an_absent_base_is_said_before_texts_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoint.fitting.pretraining._texts", lambda *_: pytest.fail("texts were read"))
    with pytest.raises(InputError, match="nowhere"):
        pretrain(TEXTS, output=tmp_path / "start", base=str(tmp_path / "nowhere"), say=lambda _: None)
    assert not (tmp_path / "start").exists()


def test_another_model_in_the_same_folder_is_another_start(tmp_path):
    def start(seed):
        small_transformer(TEXTS, layers=1, width=16, heads=2, seed=seed).save(tmp_path / "start")

    def stop(row):
        if row["step"] == 2:
            raise KeyboardInterrupt

    start(0)
    options = {"base": str(tmp_path / "start"), "steps": 4, "checkpoint_seconds": 1e-9, "say": lambda _: None}
    with pytest.raises(KeyboardInterrupt):
        pretrain(TEXTS, output=tmp_path / "cut", on_row=stop, **options)
    start(1)
    with pytest.raises(InputError, match=r"other settings or data \(start\)"):
        pretrain(TEXTS, output=tmp_path / "cut", **options)
    start(0)
    assert pretrain(TEXTS, output=tmp_path / "cut", **options).steps == 4


def test_a_finished_run_and_other_settings_are_refused(tmp_path):
    pretrain(TEXTS, output=tmp_path / "start", steps=1, **SMALL)
    with pytest.raises(InputError, match="this run is finished"):
        pretrain(TEXTS, output=tmp_path / "start", steps=1, **SMALL)

    def stop(row):
        if row["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(TEXTS, output=tmp_path / "cut", steps=4, checkpoint_seconds=1e-9, on_row=stop, **SMALL)
    assert (tmp_path / "cut" / ".training" / "checkpoint").exists()
    with pytest.raises(InputError, match=r"other settings or data \(steps\)"):
        pretrain(TEXTS, output=tmp_path / "cut", steps=5, checkpoint_seconds=1e-9, **SMALL)
    with pytest.raises(InputError, match=r"other settings or data \(data\)"):
        pretrain(TEXTS[1:], output=tmp_path / "cut", steps=4, checkpoint_seconds=1e-9, **SMALL)


COMMAND = ["pretrain", "texts.txt", "--layers", "1", "--width", "64", "--vocabulary", "300", "--steps", "40",
           "--batch-size", "16", "--dtype", "float32", "--checkpoint-seconds", "1e-9", "--output"]  # fmt: skip
MOMENTS = {
    "nothing is trained": ".training/base",
    "a checkpoint is there": ".training/checkpoint/state.json",
    "some steps later": ".training/checkpoint/state.json",
}


def run(folder, *, json=False):
    return subprocess.Popen(
        [sys.executable, "-m", "counterpoint", *COMMAND, "start", *["--json"] * json], cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    process = run(folder, json=True)
    told = json.loads(process.communicate()[0])
    assert process.returncode == 0
    assert told["steps"] == 40
    return load_file(folder / "start" / "model.safetensors"), told["figures"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_it_ends_the_same(tmp_path, unbroken, moment):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    process, mark = run(tmp_path), tmp_path / "start" / MOMENTS[moment]
    while not mark.exists() and process.poll() is None:
        time.sleep(0.001)
    if "later" in moment:
        first = mark.stat().st_mtime_ns
        while process.poll() is None and not (mark.exists() and mark.stat().st_mtime_ns > first):
            time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    again = run(tmp_path, json=True)
    told = json.loads(again.communicate()[0])
    weights, figures = unbroken
    found = load_file(tmp_path / "start" / "model.safetensors")
    assert found.keys() == weights.keys()
    assert [name for name in weights if not np.array_equal(found[name], weights[name])] == []
    assert told["figures"] == figures
