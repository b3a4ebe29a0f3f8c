"""What encodes without having learned: the floors that a trained encoder must be above."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders.features import Kind
from counterpoint.encoders.inputs import take
from counterpoint.search.exact import Metric


class Raw:
    """Pixels as they are, side by side, mid-grey at 0: what a picture's encoder must be better than.

    Without the mid-grey the cosine would be one of brightness alone (10 nearest of 5,000 CIFAR-10 pictures: accuracy
    0.30 in place of 0.37).

    Examples:
        >>> Raw().encode_items(Items("image", torch.full((2, 3, 4, 4), 255, dtype=torch.uint8))).shape
        (2, 48)
    """

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row an item."""
        del kind
        pixels = cast(Tensor, take(items.tensor, torch.arange(len(items))))
        return (pixels.flatten(1) - 0.5).float().numpy()


class Frequent:
    """Of a (head, relation) the entities that the relation leads to most often, whatever the head.

    A query is its relation, and an entity how often each relation leads to it (the tails' marginal distribution);
    compared by the inner product.

    Args:
        train: (head, relation) and tail.

    Examples:
        >>> asked = Items("query", torch.tensor([[0, 0], [1, 0], [2, 1]]))
        >>> train = Data(asked, torch.arange(3), Items("entity", torch.arange(4)), torch.tensor([[3], [3], [0]]))
        >>> floor = Frequent(train)
        >>> floor.encode_items(asked) @ floor.encode_items(train.others).T
        array([[0., 0., 0., 2.],
               [0., 0., 0., 2.],
               [1., 0., 0., 0.]], dtype=float32)
    """

    similarity: Metric = "dot"

    def __init__(self, train: Data) -> None:
        assert train.others is not None and train.positives is not None  # noqa: PT018
        relation_n = train.anchors.tensor[train.anchor, 1]
        tail_n = train.others.tensor[train.positives[:, 0]]
        size = (1 + int(train.others.tensor.max()), 1 + int(relation_n.max()))
        self.counts_er = torch.zeros(size).index_put_((tail_n, relation_n), torch.tensor(1.0), accumulate=True)

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row an item; entities and relations that were not seen are nothing."""
        del kind
        ids = items.tensor if items.modality == "entity" else items.tensor[:, 1]
        rows = self.counts_er if items.modality == "entity" else torch.eye(self.counts_er.shape[1])
        seen = ids < len(rows)
        return (rows[ids * seen] * seen[:, None]).numpy()
