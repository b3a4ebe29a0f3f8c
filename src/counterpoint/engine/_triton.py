"""The fused kernels: log-sum-exps of scores, and the scores' weights in their gradient, tile by tile.

A tile of scores lives in registers: `s_ij = q_i . k_j + b_j`, and minus infinity where key j is excluded from row i.
The forward kernel keeps a running maximum and sum a row (Milakov and Gimelshein 2018, algorithm 3); the backward kernel
takes the scores again and writes `g_i exp(s_ij - lse_i)` for some rows, which two matrix products turn into gradients.
"""

# the kernels are compiled, and their arguments are pointers
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor


@dataclass(frozen=True)
class Tile:
    """Rows and columns of a tile of scores, dimensions taken at once, and how the compiler is to run it."""

    rows: int
    columns: int
    depth: int
    warps: int = 8
    stages: int = 3


def usual_tile(q: Tensor) -> Tile:
    """What fits the shared memory of the device; the interpreter is fast with few tiles."""
    if not q.is_cuda:
        return Tile(32, 32, 32)
    properties = torch.cuda.get_device_properties(q.device)
    shared = getattr(properties, "shared_memory_per_block_optin", 0)
    if q.dtype == torch.float32 or shared < 160_000:
        return Tile(128, 128, 32)
    return Tile(128, 256, 64)


@triton.jit
def _scores(q, k, rows, columns, n, m, d, D_FITS: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BD: tl.constexpr,
            PRECISION: tl.constexpr):  # fmt: skip
    # rows beyond the end are taken from the beginning, and dropped later
    q_rows = q + (rows % n).to(tl.int64)[:, None] * d
    k_columns = k + (columns % m).to(tl.int64)[None, :] * d
    scores = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, d, BD):
        dims = start + tl.arange(0, BD)
        if D_FITS:
            a = tl.load(q_rows + dims[None, :])
            b = tl.load(k_columns + dims[:, None])
        else:
            a = tl.load(q_rows + dims[None, :], mask=dims[None, :] < d, other=0.0)
            b = tl.load(k_columns + dims[:, None], mask=dims[:, None] < d, other=0.0)
        scores = tl.dot(a, b, scores, input_precision=PRECISION)
    return scores


@triton.jit
def _counted(scores, rows, columns, first, bias, excluded, n, m, x, BIAS: tl.constexpr, BN: tl.constexpr):
    if BIAS:
        scores += tl.load(bias + columns, mask=columns < m, other=0.0)[None, :]
    scores = tl.where(columns[None, :] < m, scores, float("-inf"))
    for e in range(0, x):
        out = tl.load(excluded + e * n + rows, mask=rows < n, other=-1)
        # most tiles exclude nothing
        if tl.max(((out >= first) & (out < first + BN)).to(tl.int32), axis=0) > 0:
            scores = tl.where(columns[None, :] == out[:, None], float("-inf"), scores)
    return scores


@triton.jit
def _lse_kernel(q, k, bias, excluded, lse, n, m, d, x, tiles, BIAS: tl.constexpr, D_FITS: tl.constexpr,
                BM: tl.constexpr, BN: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    split = tl.program_id(1)
    top = tl.full((BM,), float("-inf"), dtype=tl.float32)
    total = tl.zeros((BM,), dtype=tl.float32)
    for tile in range(split * tiles, tl.minimum((split + 1) * tiles, tl.cdiv(m, BN))):
        columns = tile * BN + tl.arange(0, BN)
        scores = _scores(q, k, rows, columns, n, m, d, D_FITS, BM, BN, BD, PRECISION)
        scores = _counted(scores, rows, columns, tile * BN, bias, excluded, n, m, x, BIAS, BN)
        higher = tl.maximum(top, tl.max(scores, axis=1))
        # where nothing counts yet there is no maximum to take away
        base = tl.where(higher == float("-inf"), 0.0, higher)
        total = total * tl.exp(top - base) + tl.sum(tl.exp(scores - base[:, None]), axis=1)
        top = higher
    tl.store(lse + split * n + rows, top + tl.log(total), mask=rows < n)


@triton.jit
def _weight_kernel(q, k, bias, excluded, lse, grad, weight, n, m, d, x, BIAS: tl.constexpr, D_FITS: tl.constexpr,
                   BM: tl.constexpr, BN: tl.constexpr, BD: tl.constexpr, PRECISION: tl.constexpr):  # fmt: skip
    # rows change first, so that programs of one time share columns
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    scores = _scores(q, k, rows, columns, n, m, d, D_FITS, BM, BN, BD, PRECISION)
    scores = _counted(scores, rows, columns, tl.program_id(1) * BN, bias, excluded, n, m, x, BIAS, BN)
    lse_row = tl.load(lse + rows, mask=rows < n, other=0.0)
    grad_row = tl.load(grad + rows, mask=rows < n, other=0.0)
    value = tl.exp(scores - lse_row[:, None]) * grad_row[:, None]
    value = tl.where(scores == float("-inf"), 0.0, value)
    place = weight + rows.to(tl.int64)[:, None] * m + columns[None, :]
    tl.store(place, value.to(weight.dtype.element_ty), mask=(rows[:, None] < n) & (columns[None, :] < m))


def _options(q: Tensor, tile: Tile, bias: Tensor | None) -> dict[str, object]:
    exact = q.dtype == torch.float32 and torch.get_float32_matmul_precision() == "highest"
    return {
        "BIAS": bias is not None, "D_FITS": q.shape[1] % tile.depth == 0,
        "BM": tile.rows, "BN": tile.columns, "BD": tile.depth, "PRECISION": "ieee" if exact else "tf32",
        "num_warps": tile.warps, "num_stages": tile.stages,
    }  # fmt: skip


def log_sum_exp(q: Tensor, k: Tensor, bias: Tensor | None, excluded: Tensor, tile: Tile) -> Tensor:
    """`(n,)` in single precision, minus infinity where a row has no key left; `excluded` is `(x, n)`, -1 for none."""
    (n, d), m = q.shape, len(k)
    blocks, tiles = triton.cdiv(n, tile.rows), triton.cdiv(m, tile.columns)
    # enough programs to keep a device busy although there are few rows
    processors = torch.cuda.get_device_properties(q.device).multi_processor_count if q.is_cuda else 2
    splits = min(tiles, max(1, triton.cdiv(4 * processors, blocks)))
    each = triton.cdiv(tiles, splits)
    lse = q.new_empty((triton.cdiv(tiles, each), n), dtype=torch.float32)
    with torch.cuda.device_of(q):
        _lse_kernel[(blocks, len(lse))](
            q, k, bias if bias is not None else q, excluded, lse, n, m, d, len(excluded), each,
            **_options(q, tile, bias),
        )  # fmt: skip
    return torch.logsumexp(lse, 0) if len(lse) > 1 else lse[0]


def weights(
    q: Tensor, k: Tensor, bias: Tensor | None, excluded: Tensor, lse: Tensor, grad: Tensor, out: Tensor, tile: Tile
) -> None:
    """`g_i exp(s_ij - lse_i)` into `out` `(n, m)`, 0 for what is excluded."""
    (n, d), m = q.shape, len(k)
    with torch.cuda.device_of(q):
        _weight_kernel[(triton.cdiv(n, tile.rows), triton.cdiv(m, tile.columns))](
            q, k, bias if bias is not None else q, excluded, lse, grad, out, n, m, d, len(excluded),
            **_options(q, tile, bias),
        )  # fmt: skip
