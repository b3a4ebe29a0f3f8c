"""Mixing of vectors: hard negatives from negatives, harder positives from positives."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.points import Points, as_points
from counterpoint.procedures._base import Call, Procedure

Each: TypeAlias = Literal["batch", "pair", "dimension"]
"""What has a mixing weight of its own: the batch, each pair, or each dimension of each pair."""


class MixNegatives(Procedure):
    """Hard negative mixing: each query gets further negatives, mixed from its hardest (MoCHi).

    Of the shared keys that do not match a query the `hardest` nearest are taken. `pairs` negatives are
    `normalise(a n_i + (1 - a) n_j)` of two of them, `a` uniform in [0, 1]; `with_query` more are
    `normalise(b q + (1 - b) n_j)`, `b` uniform in [0, 0.5]. Nothing of it has a gradient. Source: Kalantidis et al.
    2020, "Hard Negative Mixing for Contrastive Learning", eq. 4 to 6.

    Args:
        hardest: `N`; all where there are fewer.
        pairs: `s`.
        with_query: `s'`.
        after: Steps without mixing, to begin with.
        mixed: False: as many of the hardest themselves, once more, in place of mixtures. It tells what mixing does from
            what a greater weight of the hardest does.

    Raises:
        InputError: for numbers below 0, or fewer than one of the hardest.

    Examples:
        >>> call = {"queries": Points(torch.eye(2), sample=torch.arange(2)), "keys": torch.ones(5, 2)}
        >>> keys = Points(call["keys"], sample=torch.full((5,), -1))
        >>> (mixed,) = MixNegatives(4, 3, 2)([{**call, "keys": keys}], lambda model: {})
        >>> tuple(mixed["owned"].z.shape)
        (2, 5, 2)
    """

    steps: Tensor

    def __init__(
        self, hardest: int = 1024, pairs: int = 512, with_query: int = 128, *, after: int = 0, mixed: bool = True
    ) -> None:
        super().__init__()
        if hardest < 1 or min(pairs, with_query, after) < 0:
            raise InputError(
                f"{pairs} and {with_query} mixtures of the {hardest} hardest negatives, after {after} steps",
                fix="give 0 or more, of at least one negative",
            )
        self.hardest, self.pairs, self.with_query, self.after, self.mixed = hardest, pairs, with_query, after, mixed
        self.register_buffer("steps", torch.tensor(0))

    @torch.no_grad()
    def change(self, call: Call) -> Call:
        """Owned negatives for each query, where there are shared keys to mix."""
        if int(self.steps) < self.after or "keys" not in call:
            return call
        queries, keys = as_points(call["queries"]), as_points(call["keys"])
        q, k = F.normalize(queries.z, dim=1), F.normalize(keys.z, dim=1)
        scores = q @ k.T
        if "sample" in queries.columns and "sample" in keys.columns:
            matched = queries.columns["sample"][:, None] == keys.columns["sample"][None]
            scores = scores.masked_fill(matched & (queries.columns["sample"] >= 0)[:, None], -torch.inf)
        near = scores.topk(min(self.hardest, len(k)), 1).indices

        def drawn(number: int) -> Float[Tensor, "n s d"]:
            return k[near.gather(1, torch.randint(near.shape[1], (len(q), number)).to(q.device))]

        if not self.mixed:
            return {**call, "owned": with_owned(call.get("owned"), drawn(self.pairs + self.with_query))}
        a, b = torch.rand(len(q), self.pairs, 1).to(q), torch.rand(len(q), self.with_query, 1).to(q) / 2
        pairs = a * drawn(self.pairs) + (1 - a) * drawn(self.pairs)
        toward = b * q[:, None] + (1 - b) * drawn(self.with_query)
        mixed = F.normalize(torch.cat([pairs, toward], 1), dim=2)
        return {**call, "owned": with_owned(call.get("owned"), mixed)}

    def finish_step(self) -> None:
        """Count."""
        self.steps += 1


class MixPositives(Procedure):
    """Positive extrapolation: query and key are moved apart along their line, which makes the positive harder.

    `q' = l q + (1 - l) k`, `k' = l k + (1 - l) q` with `l = 1 + Beta(alpha, alpha)`; for vectors of length one and one
    `l` for all dimensions `q' . k' = s + 2 l (1 - l) (1 - s)`, at most `s`. Vectors are scaled to length one before and
    not after. The key is the first owned one, as a queue leaves it, or else that of the same row. Source: Zhu et al.
    2021, "Improving Contrastive Learning by Visualizing Feature Transformation", eq. 3 to 5, and the authors' code,
    where the transformed query also meets the negatives.

    Args:
        alpha: Above 0; 2 is theirs.
        each: What has an `l` of its own; theirs is one a batch if nothing else is asked for.

    Raises:
        InputError: for an alpha that is not above 0; in a call, for sides of different length.

    Examples:
        >>> (call,) = MixPositives()([{"queries": torch.eye(2), "keys": torch.eye(2)}], lambda model: {})
        >>> torch.allclose(call["queries"].z, torch.eye(2))  # equal vectors stay where they are
        True
    """

    def __init__(self, alpha: float = 2.0, *, each: Each = "pair") -> None:
        super().__init__()
        if alpha <= 0:
            raise InputError(f"alpha is {alpha}, it must be above 0", fix="2 is common")
        self.alpha, self.each = alpha, each

    def change(self, call: Call) -> Call:
        """The call with its positives apart."""
        queries = as_points(call["queries"])
        owned = as_points(call["owned"]) if "owned" in call else None
        keys = as_points(call["keys"]) if owned is None else Points(owned.z[:, 0])
        if len(queries) != len(keys):
            raise InputError(f"{len(queries)} queries and {len(keys)} keys to move apart", fix="give one key a query")
        q, k = F.normalize(queries.z, dim=1), F.normalize(keys.z, dim=1)
        share = 1 + _shares(q, self.alpha, self.each)
        there, back = share * q + (1 - share) * k, share * k + (1 - share) * q
        if owned is None:
            return {**call, "queries": queries.with_z(there), "keys": keys.with_z(back)}
        moved = owned.with_z(torch.cat([back[:, None], owned.z[:, 1:]], 1))
        return {**call, "queries": queries.with_z(there), "owned": moved}


class InterpolateNegatives(Procedure):
    """Negatives that match nobody are replaced by mixtures of two of them, `l n_i + (1 - l) n_j`, `l ~ Beta(a, a)`.

    Source: Zhu et al. 2021, "Improving Contrastive Learning by Visualizing Feature Transformation", eq. 6.

    Args:
        alpha: Above 0; 1.6 is theirs.
        each: What has an `l` of its own; theirs is one a batch if nothing else is asked for.

    Raises:
        InputError: for an alpha that is not above 0.

    Examples:
        >>> keys = Points(torch.eye(2), sample=torch.tensor([-1, 0]))
        >>> (call,) = InterpolateNegatives()([{"queries": torch.eye(2), "keys": keys}], lambda model: {})
        >>> torch.equal(call["keys"].z, torch.eye(2))  # one alone is mixed with itself
        True
    """

    def __init__(self, alpha: float = 1.6, *, each: Each = "pair") -> None:
        super().__init__()
        if alpha <= 0:
            raise InputError(f"alpha is {alpha}, it must be above 0", fix="1.6 is common")
        self.alpha, self.each = alpha, each

    def change(self, call: Call) -> Call:
        """The call with its queue mixed."""
        keys = call.get("keys")
        if not isinstance(keys, Points):
            return call
        free = (keys.columns.get("sample", torch.zeros(len(keys))) < 0).nonzero()[:, 0]
        share = _shares(keys.z[free], self.alpha, self.each)
        other = free[torch.randperm(len(free)).to(free.device)]
        z = keys.z.index_copy(0, free, share * keys.z[free] + (1 - share) * keys.z[other])
        return {**call, "keys": keys.with_z(z)}


def beta(n: int, alpha: float) -> Float[Tensor, " n"]:
    """Draws from Beta(alpha, alpha), by torch's global random state.

    Examples:
        >>> bool((beta(5, 2.0) < 1).all())
        True
    """
    drawn: Tensor = torch.distributions.Beta(alpha, alpha).sample((n,))
    return drawn


def _shares(z: Float[Tensor, "n d"], alpha: float, each: Each) -> Tensor:
    n, d = z.shape
    rows, columns = {"batch": (1, 1), "pair": (n, 1), "dimension": (n, d)}[each]
    return beta(rows * columns, alpha).to(z).view(rows, columns)


def with_owned(owned: Points | Tensor | None, negatives: Float[Tensor, "n s d"]) -> Points:
    """Owned keys and more owned negatives.

    Examples:
        >>> own = Points(torch.ones(2, 1, 3), positive=torch.ones(2, 1))
        >>> with_owned(own, torch.zeros(2, 2, 3)).columns["positive"].tolist()
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    more = Points(negatives, positive=torch.zeros(negatives.shape[:2]))
    if owned is None:
        return more
    before = as_points(owned)
    positive = before.columns.get("positive", torch.zeros(before.z.shape[:2]))
    columns = {"positive": torch.cat([positive.to(negatives), more.columns["positive"]], 1)}
    if "valid" in before.columns:
        valid = torch.ones(negatives.shape[:2], dtype=torch.bool, device=negatives.device)
        columns["valid"] = torch.cat([before.columns["valid"], valid], 1)
    return Points(torch.cat([before.z, negatives.to(before.z)], 1), columns)
