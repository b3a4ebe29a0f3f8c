"""Hard negatives that are exchanged for the next ones when they have become easy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.mining import mine
from counterpoint.negatives.rankers import by_encoder

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def replaced_when_easy(
    n: int = 1, *, first: int = 10, depth: int = 100, factor: float = 1.15, most: float = 0.8
) -> Prepare:
    """Negatives that slide down a list: those of a row are exchanged for the next ones when they have become easy.

    At first `depth` documents are mined for each row by the encoder as it is, and the negatives are the `n` from place
    `first` on, counted without answers. Each time after (`Stage(renewals=...)`) the mean cosine `s` of a row with its
    negatives is compared with what it was when they were taken, `s_0`: where `factor s < s_0` and `|s| < most`, all of
    them are exchanged for the next `n`. Where the list ends, the last ones stay. Source: Li et al. 2024,
    "Conan-embedding", dynamic hard negative mining, whose constants these are.

    Columns: `candidates`, the list; `place`, how often a row's were exchanged; `taken_at`, `s_0`.

    Args:
        n: How many a row.
        first: The place of the first, counted from 1.
        depth: How long the list is.
        factor: So much smaller must the mean have become.
        most: Above this they are hard whatever they were.

    Raises:
        InputError: A list that is not long enough for the first ones.
    """
    if not 1 <= first <= depth - n + 1:
        raise InputError(f"{n} negatives from place {first} of {depth}", fix="look deeper, or begin earlier")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        columns = dict(data.columns)
        if "candidates" not in columns:
            bare = replace(data, negatives=None)
            found = mine(bare, [by_encoder(encoder, bare)], depth, depth=2 * depth, seed=seed).negatives
            assert found is not None
            columns["candidates"], columns["place"] = found[:, first - 1 :], torch.zeros(len(data), dtype=torch.long)
            negatives = columns["candidates"][:, :n]
            columns["taken_at"] = _likeness(data, negatives, encoder)
            return replace(data, negatives=negatives, columns=columns)
        assert data.negatives is not None
        now = _likeness(data, data.negatives, encoder)
        start = (columns["place"] + 1) * n
        among = columns["candidates"]
        following = among.gather(1, (start[:, None] + torch.arange(n)).clamp_max(among.shape[1] - 1))
        there = (start + n <= among.shape[1]) & (following >= 0).all(1)
        easy = there & (factor * now < columns["taken_at"]) & (now.abs() < most)
        negatives = torch.where(easy[:, None], following, data.negatives)
        columns["place"] = columns["place"] + easy.long()
        columns["taken_at"] = torch.where(easy, _likeness(data, negatives, encoder), columns["taken_at"])
        return replace(data, negatives=negatives, columns=columns)

    return prepare


def _likeness(data: Data, negatives: Tensor, encoder: Any) -> Float[Tensor, " n"]:
    """The mean cosine of each row's anchor with its negatives; 0 where it has none."""
    assert data.others is not None
    there = negatives >= 0
    used = negatives[there].unique()
    z_nd = encoder.encode_items(data.anchors, kind="query")[data.anchor.numpy()]
    z_md = encoder.encode_items(data.others[used], kind="document")
    z_nd, z_md = (F.normalize(torch.from_numpy(z), dim=1) for z in (z_nd, z_md))
    row, _ = there.nonzero(as_tuple=True)
    cosine = torch.zeros(negatives.shape)
    cosine[there] = (z_nd[row] * z_md[torch.searchsorted(used, negatives[there])]).sum(1)
    return cosine.sum(1) / there.sum(1).clamp_min(1)
