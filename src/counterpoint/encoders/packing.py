"""Several short texts in one row: no work on padding, and every text still sees only itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from counterpoint.encoders.features import Features, lengths, places


def pack(lengths_n: Int[np.ndarray, "n"], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Place texts of these lengths (1..`width` tokens) in rows of `width`: each text's row and first column.

    Best fit by decreasing length: each row takes the longest text left, then the longest that still fits.

    Examples:
        >>> row, column = pack(np.array([3, 5, 2, 4]), width=8)
        >>> row.tolist(), column.tolist()
        ([0, 0, 1, 1], [5, 0, 4, 0])
    """
    by_length: list[list[int]] = [[] for _ in range(width + 1)]
    for text, length in enumerate(lengths_n.tolist()):
        by_length[length].append(text)
    rows, columns = np.empty((2, len(lengths_n)), dtype=np.int64)
    left, row, longest = len(lengths_n), 0, width
    while left:
        column, length = 0, longest
        while True:
            length = min(length, width - column)
            while length and not by_length[length]:
                length -= 1
            if not length:
                break
            longest = longest if column else length
            text = by_length[length].pop()
            rows[text], columns[text] = row, column
            column += length
            left -= 1
        row += 1
    return rows, columns


@dataclass(frozen=True)
class Layout:
    """A batch laid out in rows: what a model is fed, and where to find each token again."""

    input_ids: Int[Tensor, "r w"]
    position_ids: Int[Tensor, "r w"]
    text: Int[Tensor, "r w"]
    """Which text each place belongs to; -1 is padding."""
    token: Int[Tensor, "t"]
    """Place of each token of the features in the flattened rows."""
    packed: bool
    """Whether some row holds more than one text."""

    def spread(self, values_td: Shaped[Tensor, "t d"]) -> Shaped[Tensor, "r w d"]:
        """One vector a token in the places of the tokens; 0 at padding."""
        r, w = self.text.shape
        return values_td.new_zeros(r * w, values_td.shape[1]).index_copy_(0, self.token, values_td).view(r, w, -1)

    def mask(
        self, dtype: torch.dtype, *, causal: bool, later_t: Bool[Tensor, "t"] | None = None
    ) -> Float[Tensor, "r 1 w w"]:
        """Additive attention mask, block-diagonal: 0 within one text (not after it if causal), -max elsewhere.

        Args:
            dtype: Its own.
            causal: Whether no place sees those after it.
            later_t: Which tokens no place before them sees, of the others all of their text.
        """
        same = self.text[:, None, :, None] == self.text[:, None, None, :]
        if causal:
            same = same.tril()
        elif later_t is not None:
            later = self.spread(later_t[:, None])[..., 0]
            same = same & ~(later[:, None, None, :] & torch.ones_like(same).triu(1))
        return torch.zeros(same.shape, dtype=dtype, device=same.device).masked_fill_(~same, torch.finfo(dtype).min)


def layout(features: Features, *, width: int | None, pad: int = 0) -> Layout:
    """Lay texts out in rows: packed in rows of `width`, or with `None` one a row, padded to the longest.

    Examples:
        >>> from counterpoint.encoders.features import from_ids
        >>> layout(from_ids([[5, 6, 7], [8], [9, 4]]), width=4).input_ids.tolist()
        [[5, 6, 7, 8], [9, 4, 0, 0]]
    """
    counts = lengths(features)
    longest = int(counts.max())
    device = counts.device
    if width is None or longest > width:
        width, row = longest, torch.arange(len(counts), device=device)
        column = torch.zeros_like(row)
    else:
        row, column = (torch.from_numpy(x).to(device) for x in pack(counts.cpu().numpy(), width))
    n_rows = int(row.max()) + 1
    text = torch.repeat_interleave(torch.arange(len(counts), device=device), counts)
    within = places(features)
    token = (row * width + column)[text] + within

    def rows(values: Tensor, fill: int) -> Tensor:
        return values.new_full((n_rows * width,), fill).index_copy_(0, token, values).view(-1, width)

    return Layout(
        input_ids=rows(features["input_ids"], pad),
        position_ids=rows(features.get("position_ids", within), 0),
        text=rows(text, -1),
        token=token,
        packed=n_rows < len(counts),
    )
