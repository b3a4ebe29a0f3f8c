"""From token vectors to one vector a text."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.encoders.features import sum_by_text
from counterpoint.errors import InputError

Pooling = Literal["mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"]
POOLINGS: tuple[str, ...] = get_args(Pooling)


def check_pooling(pooling: str) -> None:
    """Raise an `InputError` unless `pooling` is one of `POOLINGS`."""
    if pooling not in POOLINGS:
        raise InputError(f"unknown pooling {pooling!r}", fix=f"choose one of {', '.join(POOLINGS)}")


def pool(
    hidden_td: Float[Tensor, "t d"],
    offsets: Int[Tensor, "n_plus_1"],
    pooling: Pooling,
    skip_n: Int[Tensor, "n"] | None = None,
) -> Float[Tensor, "n d"]:
    r"""Pool the token vectors of each text, tokens `offsets[i]` to `offsets[i + 1]` of `hidden_td`.

    With h_1..h_T the token vectors of a text (at least one):

    - ``mean``: sum_t h_t / T;  ``mean_sqrt_len``: sum_t h_t / sqrt(T)
    - ``cls``: h_1;  ``last``: h_T;  ``max``: max_t h_t in each coordinate
    - ``weighted_mean``: sum_t t h_t / sum_t t (SGPT, Muennighoff 2022, arXiv 2202.08904, equation 2)

    Args:
        hidden_td: Token vectors of all texts, one text after the other, any dtype; sums are in float32.
        offsets: Where each text begins, and the end.
        pooling: One of `POOLINGS`.
        skip_n: Leading tokens of each text (its prompt) to leave out; positions still count from the
            text's first token, as sentence-transformers does it. Not for ``last``.

    Returns:
        One vector a text, float32 (float64 for float64).

    Examples:
        >>> h = torch.tensor([[2.0], [4.0], [5.0]])
        >>> pool(h, torch.tensor([0, 2, 3]), "mean").tolist()
        [[3.0], [5.0]]
    """
    n = len(offsets) - 1
    counts = offsets.diff()
    if pooling == "last":
        return hidden_td[offsets[1:] - 1].to(torch.promote_types(hidden_td.dtype, torch.float32))
    text = torch.repeat_interleave(torch.arange(n, device=offsets.device), counts)
    position = torch.arange(len(text), device=offsets.device) - offsets[:-1][text]
    if skip_n is not None:
        # a text that is nothing but its prompt keeps it
        skip_n = torch.where(skip_n < counts, skip_n, torch.zeros_like(skip_n))
        keep = position >= skip_n[text]
        hidden_td, text, position = hidden_td[keep], text[keep], position[keep]
        counts = counts - skip_n
    hidden_td = hidden_td.to(torch.promote_types(hidden_td.dtype, torch.float32))
    if pooling == "cls":
        return hidden_td[counts.cumsum(0) - counts]
    if pooling == "max":
        low = hidden_td.new_full((n, hidden_td.shape[1]), float("-inf"))
        index = text[:, None].expand(-1, hidden_td.shape[1])
        return low.scatter_reduce(0, index, hidden_td, reduce="amax")
    if pooling == "weighted_mean":
        weight = (position + 1).to(hidden_td.dtype)
        total = torch.zeros(n, dtype=weight.dtype, device=weight.device).index_add(0, text, weight)
        return sum_by_text(hidden_td * weight[:, None], text, n) / total[:, None]
    size = counts.to(hidden_td.dtype)[:, None]
    return sum_by_text(hidden_td, text, n) / (size if pooling == "mean" else size.sqrt())
