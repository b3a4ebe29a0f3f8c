"""Leak-free splits of rows over items: no picture, text or triple on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from counterpoint.data.hashing import input_hash, normalise
from counterpoint.data.items import Data, Items
from counterpoint.data.splits import connected, draw_parts, part_sizes, parts_of
from counterpoint.data.stored import StoredTexts
from counterpoint.errors import InputError


def split_data(
    data: Data, *, test: float | int = 0.1, dev: float | int = 0.1, seed: int = 0
) -> tuple[Data, Data, Data]:
    """Split rows over items of any modality so that no item, whatever its role, is in two parts.

    As `split`: rows that share an anchor or a positive (the same content; texts after `normalise`), directly or through
    other rows, go to one part whole, so all captions of a picture do; a negative that is in another part is left out of
    its row; labelled rows are stratified.

    A knowledge graph (anchors of modality "query", others "entity") is one piece. Of it random triples are cut off,
    both directions to one part, and only triples whose entities and relation occur in training, too. That is easy
    where one relation is the inverse of another: what is known one way is asked the other way (Toutanova and Chen
    2015, "Observed versus latent features for knowledge base and text inference").

    Args:
        data: What to split.
        test: Rows of the test part (of a knowledge graph triples): a fraction below 1, or a number; 0 for none.
        dev: The same for the dev part.
        seed: Same seed and same data, same split.

    Returns:
        Train, dev and test, over the same items.

    Raises:
        InputError: As `split`.

    Examples:
        >>> pictures, captions = Items("image", torch.rand(20, 1, 2, 2)), Items("text", [f"no. {i}" for i in range(40)])
        >>> data = Data(pictures, torch.arange(20).repeat(2), captions, torch.arange(40)[:, None])
        >>> train, dev, test = split_data(data, test=4, dev=2)
        >>> [len(part) for part in (train, dev, test)], len(test.anchor.unique())
        ([34, 2, 4], 2)
    """
    if data.modalities == ("query", "entity"):
        where_n = _triples(data, test, dev, seed)
    else:
        where_n = draw_parts(_components_of(data), _strata_of(data), test, dev, seed, data.source, "items")
        data = _with_own_negatives(data, torch.from_numpy(where_n))
    return data[_rows_in(where_n, 0)], data[_rows_in(where_n, 2)], data[_rows_in(where_n, 1)]


def split_classes(data: Data, *, test: float = 0.5, seed: int = 0) -> tuple[Data, Data]:
    """Train and test parts of labelled rows, each class divided alike.

    Args:
        data: Rows with a column `label`.
        test: Share of each class for test, above 0 and below 1; at least one row of each.
        seed: Same seed, same parts.

    Examples:
        >>> from counterpoint.data.images import digits
        >>> train, test = split_classes(digits(), seed=0)
        >>> len(train), len(test)
        (899, 898)
    """
    generator, labels = torch.Generator().manual_seed(seed), data.columns["label"]
    held = torch.zeros(len(data), dtype=torch.bool)
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        held[rows[: max(1, round(test * len(rows)))]] = True
    return data[~held], data[held]


def kept_apart(data: Data, *others: Data | None) -> Data:
    """The rows that share no item with any of the others, by content (texts after `normalise`).

    Examples:
        >>> one, other = (Data.alone(Items("text", texts)) for texts in (["a cat", "a dog"], ["A  cat"]))
        >>> kept_apart(one, other).anchor.tolist()
        [1]
    """
    seen = torch.cat([torch.empty(0, dtype=torch.long), *(_members(each)[1] for each in others if each is not None)])
    row, content = _members(data)
    keep = torch.ones(len(data), dtype=torch.bool)
    keep[row[torch.isin(content, seen)]] = False
    return data[keep]


def _rows_in(where_n: NDArray[np.int64], part: int) -> Int[Tensor, " k"]:
    return torch.from_numpy(np.flatnonzero(where_n == part))


def _components_of(data: Data) -> NDArray[np.int64]:
    """The same of rows, by the content of their anchors and positives."""
    row, content = _members(replace(data, negatives=None))
    return connected(len(data), row.numpy(), content.numpy())


def _with_own_negatives(data: Data, where_n: Int[Tensor, " n"]) -> Data:
    """The rows without those of their negatives that are in another part than they are."""
    if data.negatives is None:
        return data
    row, content = _members(replace(data, negatives=None))
    assert data.others is not None  # there are negatives of them
    there = data.negatives >= 0
    theirs = _contents(data.others)[data.negatives[there]].tolist()
    where = where_n[:, None].expand_as(there)[there].tolist()
    place = parts_of(zip(content.tolist(), where_n[row].tolist(), strict=True), zip(theirs, where, strict=True))
    kept = torch.ones_like(there)
    kept[there] = torch.tensor(
        [place[each] == part for each, part in zip(theirs, where, strict=True)], dtype=torch.bool
    )
    return replace(data, negatives=data.negatives.masked_fill(~kept, -1))


def _members(data: Data) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"]]:
    """Every item of every row: the row, and what stands for the item's content."""
    number = torch.arange(len(data))
    rows, hashes = [number], [_contents(data.anchors)[data.anchor]]
    for members in (data.positives, data.negatives):
        if members is not None and data.others is not None:
            there = members >= 0
            rows.append(number[:, None].expand_as(members)[there])
            hashes.append(_contents(data.others)[members[there]])
    return torch.cat(rows), torch.cat(hashes)


def _contents(items: Items) -> Int[Tensor, " n"]:
    if isinstance(items.values, Tensor):
        return items.hashes()
    if isinstance(items.values, StoredTexts):
        return torch.from_numpy(items.values.contents())
    return torch.from_numpy(input_hash([normalise(text) for text in items.values]))


def _strata_of(data: Data) -> NDArray[np.int64]:
    """The same of rows."""
    if "labels" in data.columns:
        hot = data.columns["labels"]
        rarity = torch.where(hot > 0, hot.sum(0), torch.inf)
        return np.where((hot > 0).any(1).numpy(), rarity.argmin(1).numpy(), -1)
    label = data.columns.get("label")
    return np.zeros(len(data), np.int64) if label is None else label.numpy()


def _triples(data: Data, test: float | int, dev: float | int, seed: int) -> NDArray[np.int64]:
    """The part of each row of a knowledge graph: that of its triple, whichever way it is asked."""
    assert data.positives is not None  # as they are entities
    entity, relation = data.anchors.tensor[data.anchor].T
    answer = data.positives[:, 0]
    relations = (int(data.anchors.tensor[:, 1].max()) + 1) // 2
    inverse = relation >= relations
    triples = torch.where(
        inverse, torch.stack([answer, relation - relations, entity]), torch.stack([entity, relation, answer])
    )
    distinct, number = triples.T.unique(dim=0, return_inverse=True)
    sizes = part_sizes(len(distinct), test, dev, data.source)
    # what a triple consists of: two entities and a relation, which are numbered behind them
    members = (distinct + torch.tensor([0, len(data.others or ()), 0])).numpy()
    left = np.bincount(members.ravel()).tolist()
    part_of = np.zeros(len(distinct), dtype=np.int64)
    order = iter(np.random.default_rng(seed).permutation(len(distinct)).tolist())
    for part, (name, size) in enumerate(sizes.items(), 1):
        cut = 0
        while cut < size and (triple := next(order, None)) is not None:
            its = members[triple].tolist()
            if all(left[member] > its.count(member) for member in its):
                for member in its:
                    left[member] -= 1
                part_of[triple] = part
                cut += 1
        if size and not cut:
            raise InputError(
                f"no {name} part can be cut off: each triple left has an entity or a relation that no other left has",
                file=data.source,
                fix="give more triples, or put train, valid and test files into one folder",
            )
    where_n: NDArray[np.int64] = part_of[number.numpy()]
    return where_n
