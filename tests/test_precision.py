from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from counterpoint.errors import InputError
from counterpoint.precision import Ranges, fit_ranges, pack_bits, unpack_bits

VALUES = st.floats(-100, 100, width=32)


def vectors(rows=st.integers(1, 12), dims=st.integers(1, 20)):
    return st.tuples(rows, dims).flatmap(lambda shape: arrays(np.float32, shape, elements=VALUES))


@given(z_nd=vectors())
def test_within_the_range_the_error_is_half_a_step_and_outside_the_end_stands(z_nd):
    ranges = fit_ranges(z_nd)
    rounding = 1e-6 * np.abs(z_nd).max() + 1e-30
    assert (np.abs(ranges.restore(ranges.quantize(z_nd)) - z_nd) <= ranges.step / 2 + rounding).all()
    outside_nd = np.concatenate([ranges.high[None] + 1, ranges.low[None] - 1, ranges.high[None] * 0 + 3e38])
    codes_nd = ranges.quantize(outside_nd)
    ends = ranges.step > 0
    assert (codes_nd[0, ends] == 127).all()
    assert (codes_nd[1, ends] == -128).all()
    assert (codes_nd[2] == 127).all()


@given(z_nd=vectors())
def test_constant_dimensions_are_restored_exactly(z_nd):
    z_nd[:] = z_nd[:1]
    ranges = fit_ranges(z_nd)
    restored_nd = ranges.restore(ranges.quantize(z_nd))
    np.testing.assert_allclose(restored_nd, z_nd, rtol=1e-6, atol=1e-30)


@given(z_nd=vectors(), data=st.data())
def test_one_number_at_a_time(z_nd, data):
    """The equation by hand, on ranges that have nothing to do with the values."""
    low_d = data.draw(arrays(np.float32, z_nd.shape[1], elements=VALUES))
    width_d = data.draw(arrays(np.float32, z_nd.shape[1], elements=st.floats(2**-10, 50, width=32)))
    ranges = Ranges(low_d, low_d + width_d)
    codes_nd, restored_nd = ranges.quantize(z_nd), ranges.restore(ranges.quantize(z_nd))
    assert codes_nd.dtype == np.int8
    assert restored_nd.dtype == np.float32
    for n, d in np.ndindex(z_nd.shape):
        low, high = float(ranges.low[d]), float(ranges.high[d])
        step = (high - low) / 255
        place = (float(z_nd[n, d]) - low) / step
        code = min(max(np.floor(place), 0), 255) - 128
        # in float32 a value at the border of two steps may fall to either
        near = abs(place - round(place)) < 1e-3 + 1e-6 * abs(low) / step
        assert abs(code - codes_nd[n, d]) <= near
        assert restored_nd[n, d] == pytest.approx(low + (codes_nd[n, d] + 128.5) * step, rel=1e-4, abs=1e-4)


@given(z_nd=vectors())
def test_bits_are_the_signs(z_nd):
    bits_nb = pack_bits(z_nd)
    assert bits_nb.dtype == np.uint8
    assert bits_nb.shape == (len(z_nd), (z_nd.shape[1] + 7) // 8)
    for n, d in np.ndindex(z_nd.shape):
        assert bool(bits_nb[n, d // 8] & (128 >> d % 8)) == (z_nd[n, d] > 0)
    np.testing.assert_array_equal(unpack_bits(bits_nb, z_nd.shape[1]), np.where(z_nd > 0, 1, -1))


def test_ranges_of_a_small_sample_reach_beyond_its_extremes():
    rng = np.random.default_rng(0)
    sample_nd, rest_md = rng.normal(size=(100, 64)), rng.normal(size=(10_000, 64))

    def error(ranges):
        return float(((ranges.restore(ranges.quantize(rest_md)) - rest_md) ** 2).mean())

    extremes = Ranges(sample_nd.min(0), sample_nd.max(0))
    assert error(fit_ranges(sample_nd)) < error(extremes) / 5
    ranges = fit_ranges(sample_nd)
    assert (ranges.low <= sample_nd.min(0)).all()
    assert (ranges.high >= sample_nd.max(0).astype(np.float32)).all()


@given(z_nd=vectors())
def test_ranges_come_back_exactly(z_nd):
    ranges = fit_ranges(z_nd, model="abc")
    again = Ranges.from_json(json.loads(json.dumps(ranges.to_json())))
    np.testing.assert_array_equal(again.low, ranges.low)
    np.testing.assert_array_equal(again.high, ranges.high)
    assert again.model == "abc"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1, 2]", "null", '{"low": [0], "high": [1]}', '{"model": "", "low": [0, 1], "high": [1]}',
     '{"model": "", "low": [2], "high": [1]}', '{"model": "", "low": [NaN], "high": [1]}',
     '{"model": "", "low": ["a"], "high": [1]}', '{"model": "", "low": [], "high": []}',
     '{"model": "", "low": [[0]], "high": [[1]]}', '{"model": 3, "low": [0], "high": [1]}', "\x80"],
)  # fmt: skip
def test_a_broken_ranges_file_is_one_sentence(tmp_path, text):
    path = tmp_path / "z.npy.ranges.json"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match=r"z\.npy\.ranges\.json: holds no ranges; ") as error:
        Ranges.load(path)
    assert str(error.value).count("\n") == 0


def test_bad_input(tmp_path):
    ranges = fit_ranges(np.eye(3, dtype=np.float32))
    for attempt, why in (
        (lambda: Ranges.load(tmp_path / "nix.json"), "nix.json: cannot be read"),
        (lambda: ranges.quantize(np.eye(4)), "for 3 dimensions"),
        (lambda: ranges.quantize(np.array([[np.nan, 0, 0]])), "NaN"),
        (lambda: pack_bits(np.array([[np.nan, 0, 0]])), "NaN"),
        (lambda: fit_ranges(np.array([[np.inf, 0, 0]])), "NaN"),
        (lambda: fit_ranges(np.empty((0, 3))), r"shape \(0, 3\)"),
        (lambda: Ranges(np.array([1.0]), np.array([0.0])), "no ranges"),
    ):
        with pytest.raises(InputError, match=why):
            attempt()


@given(z_nd=vectors(rows=st.integers(2, 12)), data=st.data())
def test_codes_and_bits_are_those_of_sentence_transformers(z_nd, data):
    peer = pytest.importorskip("sentence_transformers.util.quantization")
    low_d = data.draw(arrays(np.float32, z_nd.shape[1], elements=VALUES))
    width_d = data.draw(arrays(np.float32, z_nd.shape[1], elements=st.just(0) | st.floats(2**-10, 50, width=32)))
    ranges = Ranges(low_d, low_d + width_d)
    theirs_nd = peer.quantize_embeddings(z_nd, "int8", ranges=np.stack([ranges.low, ranges.high]))
    np.testing.assert_array_equal(ranges.quantize(z_nd), theirs_nd)
    np.testing.assert_array_equal(pack_bits(z_nd), peer.quantize_embeddings(z_nd, "ubinary"))
