from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from counterpoint.encoders import StaticEncoder, encode, fingerprint, load
from counterpoint.errors import InputError
from encoders.resuming import WORDS, Killed, kill_after, many

ENCODER = StaticEncoder.from_corpus([" ".join(WORDS)], dim=8)


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.sampled_from([*many(9), "", " "]), max_size=25),
    batch_tokens=st.integers(1, 40),
    window=st.integers(1, 9),
)
def test_batches_windows_and_repeats_do_not_matter(texts, batch_tokens, window):
    one_by_one = [encode(ENCODER, [text])[0] for text in texts]
    for given_texts in (texts, iter(texts)):
        z = encode(ENCODER, given_texts, batch_tokens=batch_tokens, window=window)
        assert z.dtype == np.float32
        assert z.shape == (len(texts), 8)
        np.testing.assert_allclose(z, np.reshape(one_by_one, (-1, 8)), atol=1e-6)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_transformer_batches_do_not_matter(tiny, name):
    encoder, texts = tiny(name), many(40)
    whole = encoder.encode(texts, batch_tokens=10_000)
    np.testing.assert_allclose(encoder.encode(texts, batch_tokens=20, window=7), whole, atol=1e-5)


def test_batches_keep_to_the_token_budget(tiny):
    encoder, texts = tiny("bert"), many(200)
    sizes = []
    encoder.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0]["input_ids"])))
    encoder.encode(texts, batch_tokens=100)
    assert max(sizes) <= 100 + 14  # at most one text over: a batch ends with the text that fills it
    assert len(sizes) <= sum(sizes) / 100 + 1


def test_equal_texts_are_encoded_once(tiny):
    encoder = tiny("bert")
    sizes = []
    encoder.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0]["offsets"]) - 1))
    z = encoder.encode(["dogs", "the cat"] * 50)
    assert sum(sizes) == 2
    np.testing.assert_array_equal(z[::2], np.tile(z[0], (50, 1)))


def test_training_mode_is_left_as_it_was_and_not_used(tiny):
    encoder = tiny("bert").train()
    np.testing.assert_array_equal(encoder.encode(["dogs"]), encoder.encode(["dogs"]))
    assert encoder.training


def test_nothing_to_encode(tmp_path):
    assert encode(ENCODER, []).shape == (0, 8)
    assert encode(ENCODER, iter([])).shape == (0, 8)
    assert encode(ENCODER, [], out=tmp_path / "e.npy").shape == (0, 8)


def test_progress(capsys):
    calls = []
    encode(ENCODER, many(50), window=20, progress=lambda *call: calls.append(call))
    assert calls[-1] == (50, 50)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    encode(ENCODER, iter(many(5)), progress=lambda *call: calls.append(call))
    assert calls[-1] == (5, None)
    encode(ENCODER, many(50), progress=True)
    said = capsys.readouterr()
    assert "50/50" in said.err
    assert not said.out


@pytest.mark.parametrize("known", [True, False])
def test_file_is_what_numpy_writes(tmp_path, known):
    texts = many(57)
    z = encode(ENCODER, texts)
    out = tmp_path / "z.npy"
    rows = encode(ENCODER, texts if known else iter(texts), out=out, window=10)
    assert isinstance(rows, np.memmap)
    np.testing.assert_allclose(rows, z, atol=1e-6)
    np.save(tmp_path / "reference.npy", np.asarray(rows))
    assert out.read_bytes() == (tmp_path / "reference.npy").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["reference.npy", "z.npy"]


def test_goes_on_where_it_stopped(tmp_path, monkeypatch):
    texts = many(95)
    encode(ENCODER, texts, out=tmp_path / "whole.npy", window=10)
    with pytest.raises(Killed):
        encode(ENCODER, texts, out=tmp_path / "z.npy", window=10, progress=kill_after(45))
    assert not (tmp_path / "z.npy").exists()
    # rows that were written but not noted yet are written again
    with (tmp_path / ".z.npy.part").open("ab") as part:
        part.write(b"half a row")
    seen = []
    tokenize = ENCODER.tokenize
    monkeypatch.setattr(ENCODER, "tokenize", lambda t, kind=None: seen.extend(t) or tokenize(t, kind))
    encode(ENCODER, iter(texts), out=tmp_path / "z.npy", window=10)
    assert set(seen) <= set(texts[40:])
    assert (tmp_path / "z.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["whole.npy", "z.npy"]


def test_other_texts_settings_or_model_are_refused(tmp_path):
    texts, out = many(95), tmp_path / "z.npy"
    options = {"out": out, "window": 10, "dtype": "float32"}
    with pytest.raises(Killed):
        encode(ENCODER, texts, **options, progress=kill_after(45))
    other = StaticEncoder.from_corpus([" ".join(WORDS)], dim=8, seed=1)
    changed = ["changed", *texts[1:]]
    for attempt, why in (
        (lambda: encode(ENCODER, changed, **options), "other texts"),
        (lambda: encode(ENCODER, texts[:35], **options), "more texts"),
        (lambda: encode(ENCODER, texts, **{**options, "window": 20}), "other settings"),
        (lambda: encode(ENCODER, texts, **{**options, "dtype": "bfloat16"}), "other settings"),
        (lambda: encode(other, texts, **options), "another model"),
    ):
        with pytest.raises(InputError, match=why) as error:
            attempt()
        assert "resume=False" in str(error.value)
    assert len(encode(ENCODER, changed, **options, resume=False)) == 95


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_kill_9(tmp_path, precision):
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys
        from counterpoint.encoders import StaticEncoder
        texts = [f"text number {i % 500} of many" for i in range(4000)]
        encoder = StaticEncoder.from_corpus(texts, dim=16)
        def progress(done, total):
            if sys.argv[2] == "kill" and done >= 2000:
                os.kill(os.getpid(), signal.SIGKILL)
        encoder.encode(texts, out=sys.argv[1], window=300, precision=sys.argv[3], progress=progress)
        """)
    )

    def run(name, mode):
        return subprocess.run([sys.executable, script, tmp_path / name, mode, precision], check=False).returncode

    assert run("whole.npy", "go") == 0
    assert run("z.npy", "kill") == -signal.SIGKILL
    assert (tmp_path / ".z.npy.json").exists()
    assert not (tmp_path / "z.npy.ranges.json").exists()
    assert run("z.npy", "go") == 0
    for name in ("npy", "npy.ranges.json") if precision == "int8" else ("npy",):
        assert (tmp_path / f"z.{name}").read_bytes() == (tmp_path / f"whole.{name}").read_bytes()


@pytest.mark.parametrize(("bad", "line"), [(None, 3), (3.5, 3), (b"bytes", 3)])
def test_text_of_the_wrong_type(tmp_path, bad, line):
    texts = ["fine", "fine too", bad, "fine"]
    for options in ({}, {"out": tmp_path / "z.npy"}, {"window": 1}):
        with pytest.raises(InputError, match=rf"line {line}: text is {type(bad).__name__}"):
            encode(ENCODER, texts, **options)
    with pytest.raises(InputError, match="not one string"):
        encode(ENCODER, "one string")
    with pytest.raises(InputError, match="unknown dtype 'float16'"):
        encode(ENCODER, ["text"], dtype="float16")


def test_half_surrogates_do_not_stop_a_long_run(tmp_path):
    assert np.isfinite(encode(ENCODER, ["the \ud800 dog"], out=tmp_path / "z.npy")).all()


def test_full_disk(tmp_path, monkeypatch):
    def full(fd):
        raise OSError(28, os.strerror(28))

    texts, out = many(30), tmp_path / "z.npy"
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(InputError, match=r"No space left .* goes on from row 1"):
            encode(ENCODER, texts, out=out, window=10)
    assert not out.exists()
    assert len(encode(ENCODER, texts, out=out, window=10)) == 30


@pytest.mark.parametrize("name", ["static", "bert", "roberta", "llama"])
def test_fingerprint_is_of_what_vectors_depend_on(tiny, tmp_path, name):
    encoder = tiny(name)
    first = fingerprint(encoder)
    assert fingerprint(tiny(name)) == first
    encoder.encode(["dogs"])
    encoder.save(tmp_path / "here")
    assert fingerprint(encoder) == fingerprint(load(tmp_path / "here")) == first
    load(tmp_path / "here").save(tmp_path / "there")
    assert fingerprint(load(tmp_path / "there")) == first
    others = [tiny(name, normalize=False), tiny(name, truncate_dim=8), tiny(name, prompts={"query": "dogs "})]
    changed = tiny(name)
    with torch.no_grad():
        next(changed.parameters()).view(-1)[5] += 1e-3
    digests = {first, *map(fingerprint, [*others, changed])}
    assert len(digests) == 5


def test_fingerprint_of_a_model_whose_pooler_is_not_in_its_folder(tiny, tmp_path):
    tiny("bert").save(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if "pooler" not in k}, path, {"format": "pt"})
    assert fingerprint(load(tmp_path / "model")) == fingerprint(load(tmp_path / "model"))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's
def test_fingerprint_with_lora_is_that_of_the_saved_model(tiny, tmp_path):
    pytest.importorskip("peft")
    encoder = tiny("bert")
    encoder.add_lora(2)
    with torch.no_grad():
        for name, p in encoder.named_parameters():
            if "lora_B" in name:
                p.normal_(generator=torch.Generator().manual_seed(0))
    encoder.save(tmp_path / "model")
    assert fingerprint(encoder) == fingerprint(load(tmp_path / "model")) != fingerprint(tiny("bert"))


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="unknown kind 'passage'; choose one of query, document"):
        StaticEncoder.from_corpus(["a small corpus"], dim=8).encode(["corpus"], kind="passage")
