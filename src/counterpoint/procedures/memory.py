"""A memory in clusters, whose neighbours of a key are further positives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.objectives.clusters import sinkhorn
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure


class ClusteredNeighbours(Procedure):
    """Each key brings its `k` nearest past keys of its own cluster, as further positives of its queries.

    The last `size` keys are kept, each with a cluster. A key looks in the cluster of its nearest prototype (in the
    whole memory, where that holds fewer than `k`). After a step the new keys are put into clusters of equal size
    (Sinkhorn), the oldest go, and a prototype follows the mean of its cluster, `c <- momentum c + (1 - momentum) mean`.
    K-means on the memory begins the clusters `after` so many steps, and again every so many: until then nothing is
    added. Source: Poulakakis-Daktylidis and Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot Learning"
    (DyCE), and the authors' code, which extends queries, too, from a memory of their own. A neighbour has no gradient.

    Args:
        size: How many keys are kept.
        dim: Of the keys.
        clusters: How many, at most `size`.
        k: Neighbours of a key, 1 or more.
        epsilon: Above 0; softness of the assignments by cosine.
        momentum: From 0 to below 1.
        after: Steps before the first k-means, and between two.

    Raises:
        InputError: for numbers out of their range; in a call, for keys without a `sample` column.

    Examples:
        >>> memory = ClusteredNeighbours(4, 2, clusters=2, k=1, after=1)
        >>> keys = Points(torch.tensor([[1.0, 0.1], [0.1, 1.0]]), sample=torch.arange(2))
        >>> for _ in range(2):
        ...     (call,) = memory([{"queries": keys, "keys": keys}], lambda model: {})
        ...     memory.finish_step()
        >>> call["keys"].columns["sample"].tolist()
        [0, 1, 0, 1]
    """

    z: Tensor
    cluster: Tensor
    prototypes: Tensor
    filled: Tensor
    steps: Tensor

    def __init__(
        self,
        size: int,
        dim: int,
        *,
        clusters: int,
        k: int = 5,
        epsilon: float = 0.05,
        momentum: float = 0.9,
        after: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= clusters <= size or min(k, after) < 1 or epsilon <= 0 or not 0 <= momentum < 1:
            raise InputError(
                f"{clusters} clusters of {size} keys, {k} neighbours, epsilon {epsilon}, momentum {momentum}, {after} "
                "steps",
                fix="give at most one cluster a key, one neighbour and step or more, epsilon above 0, momentum below 1",
            )
        self.k, self.epsilon, self.momentum, self.after = k, epsilon, momentum, after
        self.register_buffer("z", torch.zeros(size, dim))
        self.register_buffer("cluster", torch.zeros(size, dtype=torch.long))
        self.register_buffer("prototypes", torch.zeros(clusters, dim))
        self.register_buffer("filled", torch.tensor(0))
        self.register_buffer("steps", torch.tensor(0))
        self._new: list[Tensor] = []

    @property
    def begun(self) -> bool:
        """Whether there are clusters: since the first k-means of enough keys."""
        return bool(self.prototypes.any())

    def change(self, call: Call) -> Call:
        """The call with the neighbours among its keys."""
        keys = as_points(call["keys"])
        if "sample" not in keys.columns:
            raise InputError("keys without samples bring no neighbours", fix="give them a column 'sample'")
        z = F.normalize(keys.z.detach(), dim=1)
        self._new.append(z)
        if not self.begun:
            return call
        near = self.neighbours(z)
        again = torch.arange(len(keys), device=z.device).repeat_interleave(near.shape[1])
        return {**call, "keys": Points.cat([keys, keys[again].with_z(self.z[near.flatten()].to(keys.z))])}

    def neighbours(self, z: Float[Tensor, "n d"]) -> Int[Tensor, "n k"]:
        """Places in the memory of each vector's nearest; vectors of length one."""
        number = int(self.filled)
        scores = z @ self.z[:number].T
        own = self.cluster[:number] == (z @ F.normalize(self.prototypes, dim=1).T).argmax(1, keepdim=True)
        enough = own.sum(1, keepdim=True) >= self.k
        return scores.masked_fill(~own & enough, -torch.inf).topk(min(self.k, number), 1).indices

    @torch.no_grad()
    def finish_step(self) -> None:
        """The newest keys come in, the oldest go, and the prototypes follow."""
        new = torch.cat(self._new)
        self._new.clear()
        scores = new @ F.normalize(self.prototypes, dim=1).T
        cluster = sinkhorn(scores / self.epsilon, iterations=10).argmax(1)
        self.z.copy_(torch.cat([new.to(self.z), self.z])[: len(self.z)])
        self.cluster.copy_(torch.cat([cluster, self.cluster])[: len(self.z)])
        self.filled.fill_(min(len(self.z), int(self.filled) + len(new)))
        self.steps += 1
        if int(self.steps) % self.after == 0 and int(self.filled) >= len(self.prototypes):
            self._cluster_anew()
        elif self.begun:
            number = int(self.filled)
            members = F.one_hot(self.cluster[:number], len(self.prototypes)).to(self.z)
            mean = members.T @ self.z[:number] / members.sum(0).clamp_min(1)[:, None]
            # a cluster that nobody is in stays where it is
            rate = (1 - self.momentum) * (members.sum(0) > 0)[:, None]
            self.prototypes.lerp_(mean, rate.to(mean))

    def _cluster_anew(self) -> None:
        from sklearn.cluster import KMeans

        number = int(self.filled)
        found = KMeans(len(self.prototypes), n_init=1, random_state=0).fit(self.z[:number].cpu().numpy())
        self.prototypes.copy_(torch.from_numpy(found.cluster_centers_))
        self.cluster[:number] = torch.from_numpy(found.labels_).to(self.cluster)
