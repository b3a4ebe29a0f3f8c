"""On a Ray cluster of two workers: the vectors of one process, though a worker is killed in the middle."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from counterpoint.cli.main import app
from counterpoint.encoders import encode, on_ray
from counterpoint.encoders.scratch import small_transformer
from counterpoint.errors import InputError
from counterpoint.search import Index

ray = pytest.importorskip("ray", reason="nothing is spread: ray is missing")

TEXTS = [f"text {i} about {'a very ' * (i % 7)}long thing {i % 13}" for i in range(120)]


@pytest.fixture(scope="module")
def encoder():
    return small_transformer(TEXTS, layers=1, width=16, heads=2, max_seq_length=12)


@pytest.fixture(scope="module")
def spread():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library that is about to stop doing something
        with on_ray("local", 2) as found:
            yield found


def test_vectors_order_and_what_is_cut_are_those_of_one_process(encoder, spread, tmp_path):
    said = []
    with encoder.counting() as one:
        alone = encode(encoder, TEXTS, window=16, kind="query", truncate_dim=8)
    with encoder.counting() as other:
        options = {"window": 16, "kind": "query", "truncate_dim": 8, "spread": spread}
        together = encode(encoder, TEXTS, progress=lambda done, _: said.append(done), **options)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert (one.texts, one.of, one.limit) == (other.texts, other.of, other.limit)
    assert one.texts > 0
    assert said[-1] == len(TEXTS)
    streamed = encode(encoder, iter(TEXTS), out=tmp_path / "z.npy", window=16, spread=spread)
    np.testing.assert_allclose(streamed, encode(encoder, TEXTS, window=16), atol=1e-6)


def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(encoder, spread, tmp_path):
    whole = encode(encoder, TEXTS, out=tmp_path / "whole.npy", window=8)
    killed = []

    def texts():
        for i, text in enumerate(TEXTS):
            if i == 64:  # some windows are done, some on their way
                (victim, *_) = workers()
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)
            yield text

    found = encode(encoder, texts(), out=tmp_path / "spread.npy", window=8, spread=spread)
    assert killed
    np.testing.assert_allclose(found, whole, atol=1e-6)


def workers():
    """The processes that encode."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [int(place.parent.name)] if b"ray::_Worker" in place.read_bytes() else []
    assert found
    return found


def test_a_killed_run_goes_on_over_a_cluster(encoder, spread, tmp_path):
    def stopping():
        yield from TEXTS[:40]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(encoder, stopping(), out=tmp_path / "z.npy", window=8)
    encode(encoder, TEXTS, out=tmp_path / "z.npy", window=8, spread=spread)
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), encode(encoder, TEXTS, window=8), atol=1e-6)


def test_what_a_worker_refuses_is_said_as_ever(encoder, spread):
    with pytest.raises(InputError, match="text is int, not a string"):
        encode(encoder, ["a", 3], spread=spread)
    with pytest.raises(InputError, match="unknown kind"):
        encode(encoder, ["a"], kind="both", spread=spread)
    unsent = copy.deepcopy(encoder)
    unsent.lock = threading.Lock()
    with pytest.raises(InputError, match="cannot be sent to other processes"):
        encode(unsent, ["a"], spread=spread)


def test_the_command(encoder, spread, tmp_path, monkeypatch):
    encoder.save(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    asked = []

    @contextlib.contextmanager
    def ours(*given):
        asked.append(given)
        yield spread

    monkeypatch.setattr("counterpoint.encoders.on_ray", ours)

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    options = ["--model", tmp_path / "model", "--ray", "auto", "--workers", 2]
    shown = run("encode", tmp_path / "texts.txt", "--output", tmp_path / "z.npy", *options)
    assert shown.exit_code == 0, shown.exception
    assert asked == [("auto", 2)]
    assert "encoding on 2 workers of the Ray cluster auto" in shown.stderr
    z = encode(encoder, TEXTS)
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), z, atol=1e-6)
    shown = run("index", tmp_path / "texts.txt", "--output", tmp_path / "index", *options)
    assert shown.exit_code == 0, shown.exception
    with Index.open(tmp_path / "index") as index:
        assert index.search(z[5:6], 1)[0][0].text == TEXTS[5]
    (tmp_path / "pairs.tsv").write_text("a\tb\n" + "".join(f"query {i}\t{text}\n" for i, text in enumerate(TEXTS)))
    mining = ["mine", tmp_path / "pairs.tsv", "--by", tmp_path / "model", "--output"]
    assert run(*mining, tmp_path / "one.jsonl").exit_code == 0
    assert run(*mining, tmp_path / "two.jsonl", *options[2:]).exit_code == 0
    assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "two.jsonl").read_text()
    assert [given for given in asked if given == ("auto", 2)] == [("auto", 2)] * 3
    shown = run("encode", tmp_path / "texts.txt", "--output", tmp_path / "y.npy", "--workers", 2)
    assert "--workers are those of a Ray cluster" in str(shown.exception)


def test_no_cluster_and_no_workers_are_refused():
    with pytest.raises(InputError, match="0 workers"), on_ray("local", 0):
        pass
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"):
        with pytest.raises(InputError, match="no Ray cluster answers at"), on_ray(address):
            pass
