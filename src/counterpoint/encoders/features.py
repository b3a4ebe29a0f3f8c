"""Tokenised texts without padding: one flat row of token ids and where each text begins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Kind = Literal["query", "document"] | None
"""Which side a text is on; it chooses the prompt."""

Features = dict[str, Tensor]
"""`input_ids` (t,) int64: the tokens of all texts, one after the other; `offsets` (n + 1,) int64: text i is
`input_ids[offsets[i]:offsets[i + 1]]`. Any other key holds one value a text (n, ...), but for what views change of
single tokens: `position_ids` (t,), their places; `scale` and `shift` (t, d), what becomes of their embeddings
(`changed`); and for `inside` (t, p), which parts of its text a token is of (`PropositionEncoder`); and `later` (t,),
whether it is seen by no token before it. `dropout` (n,) is a text's own rate, -1 the model's."""

BY_TOKEN = ("input_ids", "position_ids", "scale", "shift", "inside", "later")
"""Keys that hold one value a token."""


def from_ids(ids: Sequence[Sequence[int]]) -> Features:
    """The features of token id lists.

    Examples:
        >>> from_ids([[7, 8], [], [9]])["offsets"].tolist()
        [0, 2, 2, 3]
    """
    offsets = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in ids], out=offsets[1:])
    flat = np.fromiter(chain.from_iterable(ids), dtype=np.int64, count=int(offsets[-1]))
    return {"input_ids": torch.from_numpy(flat), "offsets": torch.from_numpy(offsets)}


def lengths(features: Features) -> Int[Tensor, "n"]:
    """Tokens in each text."""
    return features["offsets"].diff()


def take(features: Features, rows: Tensor | Sequence[int]) -> Features:
    """The features of some texts, in the order given (repeats allowed): a batch, or a chunk of one.

    Tokenise a data set once, then take each batch from it.

    Examples:
        >>> batch = take(from_ids([[7, 8], [], [9]]), [2, 0])
        >>> batch["input_ids"].tolist(), batch["offsets"].tolist()
        ([9, 7, 8], [0, 1, 3])
    """
    offsets = features["offsets"]
    rows = torch.as_tensor(rows, dtype=torch.int64, device=offsets.device)
    counts = lengths(features)[rows]
    new = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    # position in the old flat row = start of its text there + place within the text
    shift = torch.repeat_interleave(offsets[rows] - new[:-1], counts)
    index = shift + torch.arange(len(shift), device=offsets.device)
    rest = {k: v[index if k in BY_TOKEN else rows] for k, v in features.items() if k != "offsets"}
    return {**rest, "offsets": new}


def concat(parts: Sequence[Features]) -> Features:
    """The texts of all `parts` as one batch, so that several columns go through the encoder in one forward.

    What only some parts say (a view of one side) is for the others that nothing is changed.

    Examples:
        >>> both = concat([from_ids([[1, 2]]), from_ids([[3], [4, 5]])])
        >>> both["offsets"].tolist()
        [0, 2, 3, 5]
    """
    counts = torch.cat([lengths(part) for part in parts])
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    said = {k: part[k] for part in parts for k in part if k != "offsets"}
    joined = {k: torch.cat([p[k] if k in p else _unchanged(p, k, v) for p in parts]) for k, v in said.items()}
    return {**joined, "offsets": offsets}


def places(features: Features) -> Int[Tensor, "t"]:
    """Where each token stands in its text, from 0.

    Examples:
        >>> places(from_ids([[7, 8], [], [9]])).tolist()
        [0, 1, 0]
    """
    counts = lengths(features)
    start = torch.repeat_interleave(features["offsets"][:-1], counts)
    return torch.arange(len(start), device=start.device) - start


def changed(embedded_td: Float[Tensor, "t d"], features: Features) -> Float[Tensor, "t d"]:
    """`scale * e + shift` of each token's embedding e, where a view says so.

    Examples:
        >>> changed(torch.ones(2, 1), {"scale": torch.tensor([[True], [False]]), "shift": torch.tensor([[0.0], [3.0]])})
        tensor([[1.],
                [3.]])
    """
    scaled = embedded_td * features["scale"] if "scale" in features else embedded_td
    return scaled + features["shift"] if "shift" in features else scaled


def drop_tokens(features: Features, p: float, *, start: int = 0) -> Features:
    """Drop each token with probability `p` (torch's global random state, as `nn.Dropout`): a cheap view.

    The first token of a text, where a prompt or a special token stands, always stays.

    Args:
        features: The texts.
        p: From 0 (all stay) to 1 (only the first stays).
        start: Texts before this one stay whole.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> drop_tokens(from_ids([[1, 2, 3, 4, 5, 6]]), 0.5)["input_ids"].tolist()
        [1, 2, 6]
    """
    counts = lengths(features)
    text = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    keep = (torch.rand(len(text), device=counts.device) >= p) | (text < start)
    keep[features["offsets"][:-1][counts > 0]] = True
    left = torch.zeros_like(counts).index_add_(0, text, keep.long())
    kept = {k: v[keep] if k in BY_TOKEN else v for k, v in features.items()}
    return {**kept, "offsets": torch.nn.functional.pad(left.cumsum(0), (1, 0))}


def of_text(features: Features, special: Collection[int]) -> Bool[Tensor, "t"]:
    """Which tokens say something: those that are not special, and of a text of nothing but special ones all.

    Examples:
        >>> of_text(from_ids([[7, 8], [7], []]), {7}).tolist()
        [False, True, True]
    """
    ids, counts = features["input_ids"], lengths(features)
    says = ~torch.isin(ids, torch.tensor(sorted(special), dtype=torch.long, device=ids.device))
    text = torch.repeat_interleave(torch.arange(len(counts), device=ids.device), counts)
    return says | (torch.zeros_like(counts).index_add(0, text, says.long()) == 0)[text]


def sum_by_text(values_td: Float[Tensor, "t d"], text_t: Int[Tensor, "t"], n: int) -> Float[Tensor, "n d"]:
    """Sum over the tokens of each text: z_i = sum of values_t where text_t = i (float32 at least)."""
    values_td = values_td if values_td.dtype == torch.float64 else values_td.float()
    zeros = values_td.new_zeros(n, values_td.shape[1])
    return zeros.index_add(0, text_t, values_td)


def _unchanged(features: Features, name: str, like: Tensor) -> Tensor:
    """What a key holds of texts that no view has changed."""
    if name == "position_ids":
        return places(features)
    count = len(features["input_ids"] if name in BY_TOKEN else features["offsets"][1:])
    return like.new_full((count, *like.shape[1:]), {"scale": 1, "dropout": -1}.get(name, 0))
