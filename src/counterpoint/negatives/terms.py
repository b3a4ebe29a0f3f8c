"""Names of concepts, each with other names of its concept and with names that are near it, of whatever concept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.rankers import metric_of
from counterpoint.search import exact_search

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def term_groups(near: int = 30, synonyms: int = 30, *, drawn: bool = False) -> Prepare:
    """A step before training: labelled texts become groups of a term, synonyms of it, and terms that are near it.

    A row's positives are other terms of its label, all or as many drawn; its `negatives` are the terms that the encoder
    as it is finds first in all of the data but for itself and these, whatever they are labelled: the column `found`
    says how (-1: there are no more), so that `counterpoint.procedures.LabelledKeys` knows which of them are positives.
    Texts without a label (-1) are left out. Rows that have their synonyms keep them, and get other near terms: so with
    `Stage(renewals=...)` groups follow what is learned. Source: Zeng et al. 2022 (CODER++), "dynamic hard
    pairs", and their code, whose 30 nearest have the term itself among them.

    Args:
        near: How many near terms, 1 or more.
        synonyms: How many synonyms at most, 1 or more.
        drawn: Any terms in place of near ones.

    Raises:
        InputError: A number below 1; of the step: texts without labels.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> from counterpoint.encoders import StaticEncoder
        >>> terms = ["red oak", "Quercus rubra", "red ant", "white oak"]
        >>> data = Data.alone(Items("text", terms), label=torch.tensor([0, 0, 1, 2]))
        >>> found = term_groups(1)(data, StaticEncoder.from_corpus(terms, dim=64), 0)
        >>> found.positives.tolist(), found.columns["found"][1:].tolist()
        ([[1], [0], [-1], [-1]], [[2], [0], [0]])
    """
    if near < 1 or synonyms < 1:
        raise InputError(f"{near} near terms and {synonyms} synonyms", fix="give 1 or more of each")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        generator = torch.Generator().manual_seed(seed)
        if data.positives is None:
            label = data.columns.get("label", torch.empty(0))
            if not bool((label >= 0).any()):
                raise InputError("terms of concepts need labels", file=data.source or None, fix="give labelled texts")
            data = data[label >= 0]
            texts = data.anchors[data.anchor]
            rows = torch.arange(len(data))
            positives = _synonyms(data.columns["label"], synonyms, generator)
            data = replace(data, anchors=texts, anchor=rows, others=texts, positives=positives)
        assert data.positives is not None
        n = len(data)
        k = min(n, near + 1 + data.positives.shape[1])
        if drawn:
            ids = torch.randint(n, (n, k), generator=generator)
        else:
            z = encoder.encode_items(data.anchors)  # type: ignore[operator]
            ids = torch.from_numpy(exact_search(z, z, k, metric=metric_of(encoder))[0])
        own = torch.cat([torch.arange(n)[:, None], data.positives], 1)
        known = (ids[:, :, None] == own[:, None]).any(2)
        # in their order, those that the group has already at the end
        order = known.int().argsort(dim=1, stable=True)[:, :near]
        negatives = ids.gather(1, order).masked_fill(known.gather(1, order), -1)
        found = data.columns["label"][negatives].masked_fill(negatives < 0, -1)
        return replace(data, negatives=negatives, columns={**data.columns, "found": found})

    return prepare


def _synonyms(label: Int[Tensor, " n"], most: int, generator: torch.Generator) -> Int[Tensor, "n s"]:
    """Of each row others of its label, drawn; -1 where there are no more."""
    order = label.argsort(stable=True)
    found = torch.full((len(label), most), -1)
    for rows in order.split(label.unique(return_counts=True)[1].tolist()):
        for row in rows.tolist():
            others = rows[rows != row]
            some = others[torch.randperm(len(others), generator=generator)[:most]]
            found[row, : len(some)] = some
    return found[:, : max(1, int((found >= 0).sum(1).max()))]
