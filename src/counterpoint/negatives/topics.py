"""Topics: clusters of what rows are about, so that each batch can be drawn from one (`Stage.together`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data
from counterpoint.errors import InputError
from counterpoint.negatives.labelling import latent

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

_ROUNDS = 25


def spherical_kmeans(z: Float[Tensor, "n d"], number: int, seed: int) -> Int[Tensor, " n"]:
    """The cluster of each vector, from 0: the centre of largest cosine.

    A centre is the direction of its members' mean, begins as one of the vectors, and stays where it is without members;
    25 rounds at most. Source: Dhillon and Modha 2001, "Concept Decompositions for Large Sparse Text Data Using
    Clustering", section 3.2.

    Args:
        z: Vectors, of any length.
        number: Of clusters, 1 or more; of fewer vectors, as many as these.
        seed: Of the first centres.

    Examples:
        >>> z = torch.tensor([[1.0, 0.1], [0.1, 1.0], [9.0, 0.2], [0.0, 3.0]])
        >>> found = spherical_kmeans(z, 2, seed=0)
        >>> bool(found[0] == found[2]), bool(found[1] == found[3]), len(found.unique())
        (True, True, 2)
    """
    u = F.normalize(z.float(), dim=1)
    first = torch.randperm(len(u), generator=torch.Generator().manual_seed(seed))[:number]
    centre, found = u[first], torch.full((len(u),), -1)
    for _ in range(_ROUNDS):
        nearest = (u @ centre.T).argmax(1)
        if torch.equal(nearest, found):
            break
        found = nearest
        total = torch.zeros_like(centre).index_add_(0, found, u)
        there = torch.bincount(found, minlength=len(centre)) > 0
        centre = torch.where(there[:, None], F.normalize(total, dim=1), centre)
    return found


def topics(number: int = 10, *, keys: bool = False, chance: bool = False, column: str = "topic") -> Prepare:
    """A step: rows get a column with the cluster of their anchor, as the encoder sees it before this stage.

    With the column `source` clusters are those of each source.

    Args:
        number: Of clusters.
        keys: Of the first positives, in place of the anchors.
        chance: Clusters of the same sizes that say nothing: a control.
        column: Where they are put.

    Raises:
        InputError: No clusters; in a call, positives that are not there.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> data = Data.alone(Items("vector", torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]])))
        >>> class Same:
        ...     def encode_items(self, items, *, kind=None):
        ...         return items.tensor.numpy()
        >>> topic = topics(2)(data, Same(), 0).columns["topic"]
        >>> bool(topic[0] == topic[1]), bool(topic[0] == topic[2])
        (True, False)
    """
    if number < 1:
        raise InputError(f"{number} clusters", fix="give 1 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        found = spherical_kmeans(_vectors(data, encoder, keys=keys), number, seed)
        if chance:
            found = found[torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))]
        if "source" in data.columns:
            both = torch.stack([data.columns["source"], found], 1)
            found = torch.unique(both, dim=0, return_inverse=True)[1]
        return replace(data, columns={**data.columns, column: found})

    return prepare


def surrogate(dim: int = 128) -> Prepare:
    """A step: rows get columns with what latent semantic analysis makes of their anchor and of their first positive.

    Whoever needs a fixed model beside the one that is trained has it in these: `asked` and `said`, `(n, d)`.

    Args:
        dim: See `counterpoint.negatives.labelling.by_topics`.

    Raises:
        InputError: in a call, positives that are not there.
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        asked, said = (torch.from_numpy(side) for side in latent(data, dim))
        return replace(data, columns={**data.columns, "asked": asked[data.anchor], "said": said[_first(data)]})

    return prepare


def topics_of_pairs(size: int, *, chance: bool = False) -> Prepare:
    """A step: rows get a column `topic` with the cluster of their pair, by the columns of `surrogate`.

    Pairs are near each other where the anchor of the one is near the positive of the other: spherical k-means is of
    `[asked; said]` and `[said; asked]` of all rows, and what counts is where the first is. Source: Morris and Rush
    2024, "Contextual Document Embeddings", and the authors' code.

    Args:
        size: Rows of a cluster, on average.
        chance: Clusters of the same sizes that say nothing: a control.

    Raises:
        InputError: Fewer than one row; in a call, columns that are not there.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0], [1.0, 0.1]])
        >>> data = Data.alone(Items("vector", z), asked=z, said=z)
        >>> topic = topics_of_pairs(2)(data, nn.Identity(), 0).columns["topic"]
        >>> bool(topic[0] == topic[3] != topic[1] == topic[2])
        True
    """
    if size < 1:
        raise InputError(f"clusters of {size} rows", fix="give 1 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        if not {"asked", "said"} <= data.columns.keys():
            raise InputError("pairs are clustered by columns that are not there", fix="do `surrogate` before")
        asked, said = data.columns["asked"], data.columns["said"]
        both = torch.cat([torch.cat([asked, said]), torch.cat([said, asked])], 1)
        found = spherical_kmeans(both, -(-len(data) // size), seed)[: len(data)]
        if chance:
            found = found[torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))]
        return replace(data, columns={**data.columns, "topic": found})

    return prepare


def _first(data: Data) -> Int[Tensor, " n"]:
    if data.others is None or data.positives is None:
        raise InputError("topics are those of positives, and there are none", fix="give pairs")
    return data.positives[:, 0]


def _vectors(data: Data, encoder: Any, *, keys: bool) -> Float[Tensor, "n d"]:
    if not keys:
        return torch.from_numpy(encoder.encode_items(data.anchors, kind="query"))[data.anchor]
    first = _first(data)
    assert data.others is not None  # there are positives
    return torch.from_numpy(encoder.encode_items(data.others, kind="document"))[first]
