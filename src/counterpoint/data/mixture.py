"""How often rows of each of several sources are seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def by_source(exponent: float = 0.5, column: str = "source") -> Prepare:
    """A step before training: rows of small sources are there several times, so that each is drawn by a power of size.

    Of n_i rows a source has the share `n_i^a / sum_j n_j^a` of all rows afterwards, `a` the exponent, rounded: the
    largest source keeps its rows, and any other has each of its own as often as any, or once more, which of them by the
    run's seed. 1 leaves all as it is, 0 makes all sources alike. Data without the column are of one source, which the
    column then says: `Stage(together=column)` draws each batch from one source.

    Source: Li et al. 2023, "Towards General Text Embeddings with Multi-stage Contrastive Learning", with 0.5; the
    multinomial sampling of languages is of Lample and Conneau 2019, "Cross-lingual Language Model Pretraining".

    Args:
        exponent: `a`, from 0 to 1.
        column: Which source each row is of.

    Raises:
        InputError: An exponent out of its range.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> data = Data.alone(Items("text", list("abcde")), language=torch.tensor([0, 0, 0, 0, 1]))
        >>> by_source(0.5, "language")(data, nn.Identity(), 0).columns["language"].tolist()
        [0, 0, 0, 0, 1, 1]
    """
    if not 0 <= exponent <= 1:
        raise InputError(f"sources are drawn by their size to the power of {exponent}", fix="give 0 to 1")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        source = data.columns.get(column, torch.zeros(len(data), dtype=torch.long))
        sizes = torch.unique(source, return_counts=True)[1]
        generator, rows = torch.Generator().manual_seed(seed), []
        for value, size in zip(torch.unique(source).tolist(), sizes.tolist(), strict=True):
            own = (source == value).nonzero()[:, 0]
            wanted = round(size**exponent * int(sizes.max()) ** (1 - exponent))
            more = own[torch.randperm(size, generator=generator)[: wanted % size]]
            rows.append(torch.cat([own.repeat(wanted // size), more]))
        kept = torch.cat(rows)
        return replace(data, columns={**data.columns, column: source})[kept]

    return prepare


def marked(column: str, *, mark: bool = True) -> Prepare:
    """A step before training: the rows that a column of 0 and 1 marks, or the others; all, where there is none such.

    Args:
        column: Its name.
        mark: Whether the marked ones stay.

    Raises:
        InputError: in a call, no row is left.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from counterpoint.data.items import Data, Items
        >>> data = Data.alone(Items("text", ["a", "b", "c"]), judged=torch.tensor([0, 1, 0]))
        >>> [len(marked("judged", mark=mark)(data, nn.Identity(), 0)) for mark in (True, False)]
        [1, 2]
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        kind = data.columns.get(column)
        if kind is None:
            return data
        rows = kind > 0 if mark else kind <= 0
        if not rows.any():
            what = f"no row has {column} {int(mark)}"
            raise InputError(what, file=data.source or None, fix=f"give rows of both kinds, or no column {column!r}")
        return data[rows]

    return prepare
