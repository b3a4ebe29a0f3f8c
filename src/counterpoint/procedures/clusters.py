"""Clusters that are kept from step to step: their centroids are negatives, and who shares one is half a positive."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, unknown
from counterpoint.procedures._base import Call, Procedure, are_own, numbered
from counterpoint.relation import Relation, same, share


class ClusterNegatives(Procedure):
    """Each query's second nearest centroid is a negative of all queries, and points know their cluster (ClusterNS).

    A query is in the cluster of the centroid with the highest cosine, and its key with it: column `cluster`, -1 for
    centroids, which have no gradient. Before they are used in a step each moves to its queries, `c <- (1 - rate) c +
    rate sum_i q_i`, and stays where it has none. They begin in the first step in which the mean cosine of all queries
    with all keys is at most `start`, and are used from the next: the first is a query at random, each further one the
    query whose key has the lowest cosine with the query before it, among those that are none yet. In a batch with fewer
    queries each of them begins one.

    `ClusterNegatives.mates` says for `BoundedMargin` that keys of the query's cluster are its negatives, each with the
    weight `1 / n` of `n` keys (column `part`).

    Source: Deng et al. 2023, "Clustering-Aware Negative Sampling for Unsupervised Sentence Representation", and the
    authors' code, whose centroids move so, by a sum and not a mean.

    Args:
        clusters: 2 or more; 128 is theirs, for batches of 256.
        dim: Of the vectors.
        start: A cosine.
        rate: From above 0 to 1.
        hard: Whether centroids are negatives.

    Raises:
        InputError: for numbers out of their range; in a call, where keys are not those of the queries, in their order.

    Examples:
        >>> clusters, z = ClusterNegatives(2, 2, start=0.6), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
        >>> points = Points(z, sample=torch.arange(3))
        >>> for _ in range(2):
        ...     (call,) = clusters([{"queries": points, "keys": points}], lambda model: {})
        >>> len(call["keys"]), bool(clusters.begun)
        (6, True)
    """

    mates = Relation(negative=same("cluster") & ~same("sample") & share("part"))
    centroids: Tensor
    begun: Tensor

    def __init__(self, clusters: int, dim: int, *, start: float = 0.4, rate: float = 1e-3, hard: bool = True) -> None:
        super().__init__()
        if clusters < 2 or not 0 < rate <= 1:
            raise InputError(f"{clusters} clusters that move at a rate of {rate}", fix="128 and 0.001 are common")
        self.start_at, self.rate, self.hard = start, rate, hard
        self.register_buffer("centroids", torch.zeros(clusters, dim))
        self.register_buffer("begun", torch.tensor(0))

    def change(self, call: Call) -> Call:
        """The call with clusters, once they have begun."""
        queries, keys = numbered(call)
        if not are_own(queries, keys):
            raise InputError("keys are not those of the queries, in their order", fix="use two views of items")
        z, k = queries.z.detach(), keys.z.detach()
        if not self.begun:
            cosine = F.normalize(z, dim=1) @ F.normalize(k, dim=1).T
            if len(z) > 1 and float(cosine.mean()) <= self.start_at:
                self._begin(z, cosine)
            return call
        number = int(self.begun)
        self._move(z, number)
        centroids = self.centroids[:number].to(z)
        nearest = (F.normalize(z, dim=1) @ F.normalize(centroids, dim=1).T).topk(2, 1).indices
        part = torch.full((len(keys),), 1 / len(keys), device=z.device)
        queries = queries.with_columns(cluster=nearest[:, 0])
        keys = keys.with_columns(cluster=nearest[:, 0], part=part)
        if self.hard:
            keys = Points.cat([keys, unknown(centroids[nearest[:, 1]], keys)])
        return {**call, "queries": queries, "keys": keys}

    def _begin(self, z: Float[Tensor, "n d"], cosine: Float[Tensor, "n n"]) -> None:
        number, chosen = min(len(self.centroids), len(z)), [int(torch.randint(len(z), ()))]
        cosine = cosine.clone()
        while len(chosen) < number:
            cosine[:, chosen[-1]] = torch.inf
            chosen.append(int(cosine[chosen[-1]].argmin()))
        self.centroids[:number] = z[chosen].to(self.centroids)
        self.begun.fill_(number)

    def _move(self, z: Float[Tensor, "n d"], number: int) -> None:
        c = self.centroids[:number]
        own = (F.normalize(z.to(c), dim=1) @ F.normalize(c, dim=1).T).argmax(1)
        total = torch.zeros_like(c).index_add(0, own, z.to(c))
        some = torch.bincount(own, minlength=number)[:, None] > 0
        c.copy_(torch.where(some, (1 - self.rate) * c + self.rate * total, c))
