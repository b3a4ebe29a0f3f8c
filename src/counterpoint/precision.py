"""Vectors in fewer bits: int8 with a range for each dimension, or one bit a dimension."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float, Float32, Int8, UInt8

from counterpoint.errors import InputError
from counterpoint.files import write_json

Precision = Literal["float32", "int8", "binary"]
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "binary")

_DEVIATIONS = 4  # that a range reaches to both sides of the mean at least: a small sample's extremes are too near


@dataclass(frozen=True, eq=False)
class Ranges:
    """Where each dimension's values lie: 256 steps of equal width between `low` and `high` are its int8 codes.

    A value x has the code `floor((x - low) / step) - 128` with `step = (high - low) / 255`, and a code is restored
    as the middle of its step: within the range the error is at most half a step. Values outside have the code of
    the nearer end. Codes are those of sentence-transformers' `quantize_embeddings` with the same ranges (Shakir,
    Aarsen and Lee 2024, "Binary and Scalar Embedding Quantization"); a dimension that is constant is restored
    exactly.

    Args:
        low: The lower end of each dimension.
        high: The upper end.
        model: The `fingerprint` of the encoder whose vectors they were fitted on; "" for any.

    Raises:
        InputError: Other numbers of ends than of dimensions, values that are not finite, or an end above the other.

    Examples:
        >>> ranges = Ranges(np.array([-1.0, 0.0]), np.array([1.0, 0.51]))
        >>> codes_nd = ranges.quantize(np.array([[-1.0, 0.51], [0.5, 7.0]]))
        >>> codes_nd
        array([[-128,  127],
               [  63,  127]], dtype=int8)
        >>> ranges.restore(codes_nd).round(3)
        array([[-0.996,  0.511],
               [ 0.502,  0.511]], dtype=float32)
    """

    low: Float32[np.ndarray, " d"]
    high: Float32[np.ndarray, " d"]
    model: str = ""

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float32))
        whole = self.low.ndim == 1 and self.low.shape == self.high.shape and self.low.size > 0
        if not whole or not np.isfinite((self.low, self.high)).all() or (self.low > self.high).any():
            raise InputError("these are no ranges", fix="give one finite low and one high a dimension, low <= high")

    @property
    def dim(self) -> int:
        """Of the vectors they are for."""
        return len(self.low)

    @property
    def step(self) -> Float32[np.ndarray, " d"]:
        """Width of a code in each dimension; 0 where it is constant."""
        step: np.ndarray = (self.high - self.low) / np.float32(255)
        return step

    def quantize(self, z_nd: Float[np.ndarray, "n d"]) -> Int8[np.ndarray, "n d"]:
        """The code of every value.

        Raises:
            InputError: Another number of dimensions, or values that are not finite.
        """
        if z_nd.ndim != 2 or z_nd.shape[1] != self.dim:
            raise InputError(
                f"the ranges are for {self.dim} dimensions, the vectors have shape {z_nd.shape}",
                fix="give the ranges of these vectors",
            )
        z_nd = np.asarray(z_nd, dtype=np.float32)
        if not np.isfinite(z_nd).all():
            raise InputError("the vectors hold NaN or infinite values", fix="encode them again")
        # out of range values may be far out: divided in float32 they stay finite or become infinite, which is clipped
        with np.errstate(over="ignore"):
            codes_nd = np.floor((z_nd - self.low) / np.where(self.step == 0, np.float32(1), self.step))
        codes: np.ndarray = (codes_nd.clip(0, 255) - 128).astype(np.int8)
        return codes

    def restore(self, codes_nd: Int8[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """The value that stands for each code: the middle of its step."""
        z_nd: np.ndarray = codes_nd * self.step + (self.low + np.float32(128.5) * self.step)
        return z_nd

    def outside(self, z_nd: Float[np.ndarray, "n d"]) -> float:
        """The share of values that lie outside, 0 to 1: their codes are those of the nearer end.

        Examples:
            >>> Ranges(np.zeros(2), np.ones(2)).outside(np.array([[0.5, 1.5], [0.0, 1.0]]))
            0.25
        """
        return float(np.mean((z_nd < self.low) | (z_nd > self.high)))

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it; the numbers come back exactly."""
        return {"model": self.model, "low": self.low.tolist(), "high": self.high.tolist()}

    @classmethod
    def from_json(cls, value: Any, *, file: str | PathLike[str] | None = None) -> Self:
        """What `to_json` gave.

        Raises:
            InputError: It is something else.
        """
        try:
            low_d, high_d = (np.array(value[name], dtype=np.float32) for name in ("low", "high"))
            if not isinstance(value["model"], str):
                raise TypeError
            return cls(low_d, high_d, value["model"])
        except (TypeError, KeyError, ValueError) as error:
            raise InputError("holds no ranges", file=file, fix="give a .ranges.json that encode wrote") from error

    def save(self, path: str | PathLike[str]) -> None:
        """Write them as JSON, whole or not at all."""
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: There is no such file, or it holds something else.

        Examples:
            >>> import tempfile
            >>> path = tempfile.mkdtemp() + "/z.npy.ranges.json"
            >>> fit_ranges(np.eye(3, dtype=np.float32)).save(path)
            >>> Ranges.load(path).dim
            3
        """
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InputError(f"cannot be read ({why})", file=path, fix="check the path") from error
        except ValueError:
            value = None
        return cls.from_json(value, file=path)


def fit_ranges(z_nd: Float[np.ndarray, "n d"], *, model: str = "") -> Ranges:
    """The ranges of a sample: its least and greatest values, but at least 4 standard deviations around the mean.

    The extremes alone are too narrow if the sample is small; quantiles clip what matters most. Of a thousand vectors
    of MiniLM, these have the least error on the others of the rules that were tried.

    Args:
        z_nd: One row a vector; a thousand or more are a good sample.
        model: The `fingerprint` of the encoder that made them.

    Raises:
        InputError: No rows, or values that are not finite.

    Examples:
        >>> z_nd = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
        >>> ranges = fit_ranges(z_nd)
        >>> bool(abs(ranges.restore(ranges.quantize(z_nd)) - z_nd).max() <= ranges.step.max() / 2 + 1e-6)
        True
    """
    if z_nd.ndim != 2 or not z_nd.size:
        raise InputError(f"ranges cannot be fitted on vectors of shape {z_nd.shape}", fix="give one or more rows")
    if not np.isfinite(z_nd).all():
        raise InputError("the vectors hold NaN or infinite values", fix="encode them again")
    wide_nd = z_nd.astype(np.float64)
    mean_d, reach_d = wide_nd.mean(0), _DEVIATIONS * wide_nd.std(0)
    low_d = np.minimum(wide_nd.min(0), mean_d - reach_d)
    high_d = np.maximum(wide_nd.max(0), mean_d + reach_d)
    return Ranges(low_d.astype(np.float32), high_d.astype(np.float32), model)


def pack_bits(z_nd: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n b"]:
    """One bit a dimension, 1 where the value is above 0; eight to a byte, the first highest, b = ceil(d / 8).

    The bits of sentence-transformers' "ubinary".

    Raises:
        InputError: Values that are not finite.

    Examples:
        >>> pack_bits(np.array([[0.3, -0.1, 0.0, 0.2, 1, 1, 1, 1, 5]]))
        array([[159, 128]], dtype=uint8)
    """
    if not np.isfinite(z_nd).all():
        raise InputError("the vectors hold NaN or infinite values", fix="encode them again")
    return np.packbits(z_nd > 0, axis=1)


def unpack_bits(bits_nb: UInt8[np.ndarray, "n b"], dim: int) -> Float32[np.ndarray, "n d"]:
    """1 for each bit that is set and -1 for the others; what fills the last byte up is left out.

    Examples:
        >>> unpack_bits(np.array([[159, 128]], dtype=np.uint8), 9)
        array([[ 1., -1., -1.,  1.,  1.,  1.,  1.,  1.,  1.]], dtype=float32)
    """
    z_nd: np.ndarray = np.unpackbits(bits_nb, axis=1, count=dim).astype(np.float32) * 2 - 1
    return z_nd
