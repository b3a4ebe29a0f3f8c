"""Encoding to fewer bits and dimensions, with a prompt a call."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoint.encoders import StaticEncoder, encode
from counterpoint.errors import InputError
from counterpoint.precision import Ranges, fit_ranges, pack_bits
from encoders.resuming import WORDS, Killed, kill_after, many

ENCODER = StaticEncoder.from_corpus([" ".join(WORDS)], dim=12)


@pytest.mark.parametrize("name", ["static", "bert"])
def test_dimensions_and_prompt_a_call_are_those_of_a_model_with_that_setting(tiny, corpus, name):
    prompts = {"query": "query : ", "document": "passage : "}
    encoder = tiny(name, prompts=prompts)
    for kind, prompt, dim in (
        (None, "dogs : ", None),
        ("query", "dogs : ", 8),
        ("document", None, 5),
        ("query", "", 3),
    ):
        changed = prompts if prompt is None else dict.fromkeys(prompts, prompt) | {"other": prompt}
        reference = tiny(
            name, prompts=changed, truncate_dim=dim, default_prompt_name=None if prompt is None else "other"
        )
        z = encoder.encode(corpus, kind=kind, prompt=prompt, truncate_dim=dim)
        np.testing.assert_array_equal(z, reference.encode(corpus, kind=kind))
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    assert (encoder.prompts, encoder.default_prompt_name, encoder.dim) == (prompts, None, 32)
    assert not np.array_equal(encoder.encode(corpus, prompt="dogs : "), encoder.encode(corpus))


def test_a_model_that_truncates_can_be_asked_for_more(tiny, corpus):
    whole, half = tiny("bert"), tiny("bert", truncate_dim=16)
    np.testing.assert_array_equal(half.encode(corpus, truncate_dim=32), whole.encode(corpus))
    assert half.encode(corpus).shape[1] == 16


@pytest.mark.parametrize("known", [True, False])
def test_in_memory_and_in_a_file(tmp_path, known):
    texts = many(57)
    ranges = fit_ranges(encode(ENCODER, texts[:20]))
    z = encode(ENCODER, texts, window=10)
    for precision, expected, more in (
        ("int8", ranges.quantize(z), {"ranges": ranges}),
        ("binary", pack_bits(z), {}),
    ):
        out = tmp_path / f"{precision}.npy"
        options = {"precision": precision, "window": 10, **more}
        for rows in (
            encode(ENCODER, texts if known else iter(texts), **options),
            encode(ENCODER, texts if known else iter(texts), **options, out=out),
        ):
            assert rows.dtype == expected.dtype
            np.testing.assert_array_equal(rows, expected)
        np.save(tmp_path / "reference.npy", expected)
        assert out.read_bytes() == (tmp_path / "reference.npy").read_bytes()
    kept = Ranges.load(tmp_path / "int8.npy.ranges.json")
    np.testing.assert_array_equal(kept.low, ranges.low)
    names = ["binary.npy", "int8.npy", "int8.npy.ranges.json", "reference.npy"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_ranges_are_those_of_the_first_window_and_serve_what_is_encoded_later(tmp_path):
    texts = many(95)
    z = encode(ENCODER, texts, window=40)
    codes = encode(ENCODER, texts, window=40, precision="int8", out=tmp_path / "d.npy")
    ranges = Ranges.load(tmp_path / "d.npy.ranges.json")
    np.testing.assert_array_equal(ranges.low, fit_ranges(z[:40]).low)
    np.testing.assert_array_equal(ranges.high, fit_ranges(z[:40]).high)
    np.testing.assert_array_equal(codes, ranges.quantize(z))
    later = encode(ENCODER, texts[60:], window=40, precision="int8", ranges=ranges)
    assert np.mean(later == codes[60:]) > 0.99


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_goes_on_where_it_stopped(tmp_path, precision):
    texts, options = many(95), {"window": 10, "precision": precision, "truncate_dim": 11, "prompt": "the "}
    encode(ENCODER, texts, out=tmp_path / "whole.npy", **options)
    with pytest.raises(Killed):
        encode(ENCODER, texts, out=tmp_path / "z.npy", progress=kill_after(45), **options)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("z")] == []
    with (tmp_path / ".z.npy.part").open("ab") as part:
        part.write(b"half a row")
    encode(ENCODER, iter(texts), out=tmp_path / "z.npy", **options)
    names = {p.name.split(".", 1)[1] for p in tmp_path.iterdir() if p.name.startswith("whole")}
    assert names == ({"npy", "npy.ranges.json"} if precision == "int8" else {"npy"})
    for name in names:
        assert (tmp_path / f"z.{name}").read_bytes() == (tmp_path / f"whole.{name}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2 * len(names)


def test_what_was_encoded_otherwise_is_not_gone_on_with(tmp_path):
    texts, out = many(95), tmp_path / "z.npy"
    options = {"out": out, "window": 10, "precision": "int8"}
    with pytest.raises(Killed):
        encode(ENCODER, texts, **options, progress=kill_after(45))
    ranges = fit_ranges(encode(ENCODER, texts))
    for change in ({"precision": "float32"}, {"truncate_dim": 8}, {"prompt": "the "}, {"ranges": ranges}):
        with pytest.raises(InputError, match="other settings"):
            encode(ENCODER, texts, **options | change)
    # 12 dimensions in 12 bytes are 3 numbers: only the precision tells them apart
    with pytest.raises(InputError, match="other settings"):
        encode(ENCODER, texts, **options | {"precision": "float32", "truncate_dim": 3})


def test_rows_are_never_beside_the_ranges_of_others(tmp_path, monkeypatch):
    texts, out = many(50), tmp_path / "z.npy"
    encode(ENCODER, texts, precision="int8", out=out)
    save = Ranges.save

    def save_and_die(ranges, path):
        save(ranges, path)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Ranges, "save", save_and_die)
        with pytest.raises(Killed):
            encode(ENCODER, texts[:30], precision="int8", out=out)
    assert not out.exists()
    encode(ENCODER, texts[:30], precision="int8", out=out)
    assert len(np.load(out)) == 30
    encode(ENCODER, texts, out=out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["z.npy"]


def test_nothing_to_encode(tmp_path):
    for precision, width in (("int8", 12), ("binary", 2)):
        z = encode(ENCODER, [], precision=precision, out=tmp_path / "z.npy")
        assert z.shape == (0, width)
    assert encode(ENCODER, iter([]), precision="binary").dtype == np.uint8


def test_bad_input(tmp_path):
    texts = many(5)
    ranges = fit_ranges(encode(ENCODER, texts))
    elsewhere = Ranges(ranges.low, ranges.high, model="another")
    for options, why in (
        ({"precision": "int4"}, "unknown precision 'int4'; choose float32, int8, binary"),
        ({"precision": "int8"}, "without their ranges"),
        ({"truncate_dim": 0}, "0 dimensions, the model has 12"),
        ({"truncate_dim": 13}, "13 dimensions, the model has 12"),
        ({"ranges": ranges}, "for int8, not for float32"),
        ({"precision": "int8", "ranges": ranges, "truncate_dim": 8}, "for 12 dimensions, not 8"),
        ({"precision": "int8", "ranges": elsewhere}, "of another model"),
    ):
        for out in (None, tmp_path / "z.npy"):
            if "without" in why and out:
                continue
            with pytest.raises(InputError, match=why):
                encode(ENCODER, texts, **options, out=out)
    assert not list(tmp_path.iterdir())
