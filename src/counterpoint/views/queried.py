"""Documents after the query that they are contrasted for."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders.propositions import marked
from counterpoint.errors import InputError


def after_their_query(data: Data, encoder: nn.Module, seed: int) -> Data:
    """A step before training: a row's positives and negatives, each with the row's query as `QueriedEncoder` reads it.

    So the negatives of a row differ from its positive by the document alone, and what other rows bring by the query,
    too. A document of several rows becomes as many items. Source: Li et al. 2022, "Learning Diverse Document
    Representations with Deep Query Interactions for Dense Retrieval".

    Args:
        data: Pairs or tuples of texts.
        encoder: Not looked at.
        seed: Likewise.

    Raises:
        InputError: They are no such.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = rows_of([Example("who barks", ("a dog",), ("a cat",)), Example("who sleeps", ("a cat",))])
        >>> found = after_their_query(data, nn.Identity(), 0)
        >>> found.others.texts, found.positives.tolist(), found.negatives.tolist()
        (['a dog\\twho barks', 'a cat\\twho barks', 'a cat\\twho sleeps'], [[0], [2]], [[1], [-1]])
    """
    del encoder, seed
    if data.others is None or data.positives is None:
        raise InputError("queries are put before documents that they are paired with", fix="give pairs")
    listed = data.positives if data.negatives is None else torch.cat([data.positives, data.negatives], 1)
    row, place = (listed >= 0).nonzero(as_tuple=True)
    documents, queries = data.others[listed[row, place]], data.anchors[data.anchor[row]]
    read = [marked(text, [query]) for text, query in zip(documents.texts, queries.texts, strict=True)]
    new = torch.full_like(listed, -1)
    new[row, place] = torch.arange(len(row))
    positives, negatives = new.split([data.positives.shape[1], listed.shape[1] - data.positives.shape[1]], 1)
    return replace(
        data,
        others=replace(documents, values=read),
        positives=positives,
        negatives=None if data.negatives is None else negatives,
    )
