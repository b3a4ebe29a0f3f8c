"""Log-sum-exps over negatives on a GPU with no `(n, m)` matrix: the softmax family in the memory of its vectors.

Every member of the family is a function of two things a row: the scores of its few positives and the log-sum-exp of its
scores over the negatives. The first are a few dot products; the second is a fused Triton kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from counterpoint.engine.blocks import Block, Sparse
from counterpoint.errors import MissingExtra

if TYPE_CHECKING:
    from counterpoint.engine._triton import Tile


def available(device: torch.device) -> bool:
    """Whether the kernel runs there, and products may be taken by its matrix units: exact float32 is no faster fused.

    Examples:
        >>> available(torch.device("cpu"))
        False
    """
    units = torch.get_float32_matmul_precision() != "highest" or torch.is_autocast_enabled(device.type)
    return device.type == "cuda" and units and find_spec("triton") is not None


def log_sum_exp(
    q: Float[Tensor, "n d"],
    k: Float[Tensor, "m d"],
    excluded: Int[Tensor, "n x"],
    *,
    bias: Float[Tensor, " m"] | None = None,
    tile: Tile | None = None,
) -> Float[Tensor, " n"]:
    """`log sum_j exp(q_i . k_j + b_j)` over the keys that row i does not exclude, with gradients for `q` and `k`.

    No `(n, m)` matrix is made: forward keeps one number a row, backward takes the scores again, 4 `d` rows at a time,
    which hold four times as much as the keys do. Products of bfloat16 are summed in float32. The temperature belongs
    into `q`, through which its gradient flows. Sources: Dao et al. 2022, "FlashAttention", section 3.1, for the
    recomputation; Milakov and Gimelshein 2018, algorithm 3, for the sum in one pass.

    Args:
        q: bfloat16 or float32, divided by the temperature.
        k: Of the same type.
        excluded: Places in `k`, -1 for none; few, as each costs a comparison.
        bias: Log-weights of the keys, without gradient.
        tile: How the work is cut; by default what suits the device.

    Returns:
        In float32; the lowest quarter of its range, with a gradient of 0, where a row excludes every key.

    Raises:
        MissingExtra: without Triton.
    """
    if find_spec("triton") is None:
        raise MissingExtra("triton", extra="gpu")
    lse: Tensor = _LogSumExp.apply(q, k, excluded, bias, tile)  # type: ignore[no-untyped-call]
    return lse


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, excluded: Tensor, bias: Tensor | None, tile: Tile | None) -> Tensor:
        from counterpoint.engine import _triton

        q, k = q.contiguous(), k.contiguous()
        ctx.tile = tile or _triton.usual_tile(q)
        # side by side in memory for the rows of a tile
        excluded = excluded.T.to(torch.int32).contiguous()
        bias = None if bias is None else bias.float().contiguous()
        lse = _triton.log_sum_exp(q, k, bias, excluded, ctx.tile)
        lse = lse.clamp_min(torch.finfo(lse.dtype).min / 4)
        ctx.save_for_backward(q, k, excluded, bias, lse)
        return lse

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        from counterpoint.engine import _triton

        q, k, excluded, bias, lse = ctx.saved_tensors
        n, d = q.shape
        # fewer, and adding to the keys' gradient would take longer than the products
        rows = min(n, max(1024, 4 * d))
        weight = q.new_empty((rows, len(k)))
        grad_q, grad_k = torch.empty_like(q), torch.zeros_like(k, dtype=torch.float32)
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            out = excluded[:, part].contiguous()
            w = weight[: len(q[part])]
            _triton.weights(q[part], k, bias, out, lse[part], grad[part].float().contiguous(), w, ctx.tile)
            torch.mm(w, k, out=grad_q[part])
            grad_k += w.T @ q[part]
        return grad_q, grad_k.to(k.dtype), None, None, None


def pair_scores(q: Float[Tensor, "n d"], k: Float[Tensor, "m d"], index: Int[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """`q_i . k_j` for the keys `index` names, in float32, keeping nothing but the vectors.

    Examples:
        >>> pair_scores(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0, 1], [1, 0]]))
        tensor([[1., 3.],
                [4., 2.]])
    """
    scores: Tensor = _PairScores.apply(q, k, index)  # type: ignore[no-untyped-call]
    return scores


class _PairScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(q, k, index)
        scores = [(q.float() * k[places]).sum(1) for places in index.unbind(1)]
        return torch.stack(scores, 1) if scores else q.new_zeros((len(q), 0), dtype=torch.float32)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        q, k, index = ctx.saved_tensors
        grad_q, grad_k = torch.zeros_like(q, dtype=torch.float32), torch.zeros_like(k, dtype=torch.float32)
        for places, g in zip(index.unbind(1), grad.unbind(1), strict=True):
            grad_q.addcmul_(g[:, None], k[places].float())
            grad_k.index_add_(0, places, g[:, None] * q.float())
        return grad_q.to(q.dtype), grad_k.to(k.dtype), None


class FusedBlock(Block):
    """All rows of a problem, for equations that ask for positives and log-sum-exps and for nothing else.

    Products are taken as `torch.get_float32_matmul_precision` says: `"medium"`, and autocast, take bfloat16 factors.

    Args:
        q: Prepared queries `(n, d)`.
        k: Prepared keys `(m, d)`.
        sparse: Who is positive and who is neither.
        columns: The queries' columns.
        scale: 1 / temperature: one number, or one a row, `(n, 1)`.
        tile: See `log_sum_exp`.
    """

    def __init__(
        self,
        q: Float[Tensor, "n d"],
        k: Float[Tensor, "m d"],
        sparse: Sparse,
        *,
        columns: Mapping[str, Tensor] | None = None,
        scale: Tensor | float = 1.0,
        tile: Tile | None = None,
    ) -> None:
        half = torch.get_float32_matmul_precision() == "medium" or torch.is_autocast_enabled(q.device.type)
        dtype = torch.bfloat16 if half else torch.float32
        self.guide, self.columns, self.scale = None, columns or {}, scale
        self._sparse, self._tile = sparse, tile
        self._q, self._k = (q * scale).to(dtype), k.to(dtype)
        self._positives = pair_scores(self._q, self._k, sparse.index)
        self._weight = sparse.weight

    @property
    def single(self) -> bool:
        """Every row has at most one positive."""
        return self._sparse.index.shape[1] == 1

    @property
    def any_negative(self) -> Bool[Tensor, " n"]:
        """Whether a row has a negative."""
        return self._sparse.count + self._sparse.dropped < len(self._k)

    @property
    def all_negatives(self) -> Float[Tensor, " n"]:
        """How many negatives a row has."""
        return (len(self._k) - self._sparse.count - self._sparse.dropped).float()

    def positives(self) -> tuple[Float[Tensor, "n p"], Float[Tensor, "n p"]]:
        """Scores of the positives and their weights."""
        return self._positives, self._weight

    def with_positives(self, change: Callable[[Float[Tensor, "n p"]], Float[Tensor, "n p"]]) -> FusedBlock:
        """The same rows with the scores of their positives changed."""
        changed = copy(self)
        changed._positives = change(self._positives)
        return changed

    def log_sum_exp(self, power: float = 1.0) -> Float[Tensor, "n 1"]:
        """`log sum_j exp(power score_j)` over the negatives."""
        sparse = self._sparse
        parts = [
            torch.where(torch.arange(places.shape[1], device=places.device) < count[:, None], places, -1)
            for places, count in ((sparse.index, sparse.count), (sparse.drop, sparse.dropped))
        ]
        return log_sum_exp(self._q * power, self._k, torch.cat(parts, 1), tile=self._tile)[:, None]

    def log_softmax(self) -> tuple[Float[Tensor, "n p"], Float[Tensor, "n p"]]:
        """Log-probabilities of the positives among all positives and negatives, and their weights."""
        nothing = torch.finfo(self._positives.dtype).min / 4
        counted = torch.where(self._weight > 0, self._positives, nothing)
        log_z = torch.logsumexp(torch.cat([counted, self.log_sum_exp()], 1), 1, keepdim=True)
        return self._positives - log_z, self._weight
