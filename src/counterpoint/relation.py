"""Relation: which pairs are positive, negative or ignored, and with what weight.

A *rule* gives a weight in [0, 1] for every pair from the columns of both sides. Rules compose as fuzzy sets:
`a & b` is the product, `a | b` the maximum, `~a` is `1 - a`. A `Relation` puts three of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from counterpoint.errors import InputError

Columns = Mapping[str, Tensor]
# column of the queries (b, 1) and of the keys (1, m) or (b, s), shaped to broadcast
Pairs = Tensor


class Rule:
    """A weight in [0, 1] for each pair; a column that either side lacks makes a rule 0 everywhere.

    Args:
        weigh: From the columns of the queries, shaped `(b, 1)`, and of the keys, `(1, m)` or `(b, s)`, to bool or
            float weights `(b, m)`; None where it does not apply.

    Examples:
        >>> q = {"label": torch.tensor([[0], [1]]), "sample": torch.tensor([[0], [1]])}
        >>> k = {"label": torch.tensor([[0, 0, 1]]), "sample": torch.tensor([[0, 5, 6]])}
        >>> (same("label") & ~same("sample"))(q, k).int().tolist()
        [[0, 1, 0], [0, 0, 1]]
    """

    def __init__(self, weigh: Callable[[Columns, Columns], Pairs | None]) -> None:
        self._weigh = weigh

    def __call__(self, q: Columns, k: Columns) -> Pairs | None:
        """Weights of the pairs, or None if the rule is 0 for all of them."""
        return self._weigh(q, k)

    def __and__(self, other: Rule) -> Rule:
        def weigh(q: Columns, k: Columns) -> Pairs | None:
            a = self(q, k)
            b = None if a is None else other(q, k)
            return None if a is None or b is None else a * b

        return Rule(weigh)

    def __or__(self, other: Rule) -> Rule:
        def weigh(q: Columns, k: Columns) -> Pairs | None:
            a, b = self(q, k), other(q, k)
            if a is None or b is None:
                return b if a is None else a
            return a | b if a.dtype == b.dtype == torch.bool else torch.maximum(a * 1.0, b * 1.0)

        return Rule(weigh)

    def __invert__(self) -> Rule:
        def weigh(q: Columns, k: Columns) -> Pairs | None:
            a = self(q, k)
            if a is None:
                device = next(iter(q.values())).device if q else None
                return torch.ones((1, 1), dtype=torch.bool, device=device)
            return ~a if a.dtype == torch.bool else 1 - a

        return Rule(weigh)


class same(Rule):  # noqa: N801 - reads as a word in an expression
    """Both have the same value, 0 or more, in `column` (-1 means unknown and is the same as nothing).

    Examples:
        >>> a = {"label": torch.tensor([[1], [-1]])}
        >>> same("label")(a, {"label": torch.tensor([[1, -1]])}).tolist()
        [[True, False], [False, False]]
    """

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(self._same)

    def _same(self, q: Columns, k: Columns) -> Pairs | None:
        if self.column not in q or self.column not in k:
            return None
        left, right = self.ids(q), self.ids(k)
        return (left == right) & (left >= 0)

    def ids(self, columns: Columns) -> Tensor:
        """The column, which must hold integers."""
        column = columns[self.column]
        if column.dtype == torch.bool or column.is_floating_point() or column.is_complex():
            raise InputError(
                f"points match by the column {self.column!r}, which holds {column.dtype}",
                fix="number the values from 0 up as integers, -1 for unknown",
            )
        return column


def equal(query_column: str, key_column: str) -> Rule:
    """The query's value in one column equals the key's in another; for hashes, so any value counts.

    Examples:
        >>> q, k = {"partner": torch.tensor([[7], [8]])}, {"input": torch.tensor([[8, 9]])}
        >>> equal("partner", "input")(q, k).tolist()
        [[False, False], [True, False]]
    """

    def weigh(q: Columns, k: Columns) -> Pairs | None:
        if query_column not in q or key_column not in k:
            return None
        return q[query_column] == k[key_column]

    return Rule(weigh)


def kernel(column: str, function: Callable[[Tensor], Tensor]) -> Rule:
    """A soft rule: `function(query value - key value)`, weights in [0, 1], e.g. a Gaussian on a real-valued label.

    Examples:
        >>> rule = kernel("age", lambda d: torch.exp(-d**2))
        >>> rule({"age": torch.tensor([[1.0]])}, {"age": torch.tensor([[1.0, 2.0]])})
        tensor([[1.0000, 0.3679]])
    """

    def weigh(q: Columns, k: Columns) -> Pairs | None:
        return function(q[column] - k[column]) if column in q and column in k else None

    return Rule(weigh)


def overlap(column: str) -> Rule:
    """A soft rule on sets: the share of common members, `|A & B| / |A | B|` (Jaccard); 0 where both are empty.

    The column is `(n, l)`, 1 where a point's set has a member and 0 where not: labels of texts that have several. With
    one member each it is `same`. Source: as the weight of a positive in a supervised contrastive loss, Lin et al. 2023,
    "An Effective Deployment of Contrastive Learning in Multi-label Text Classification" (their JSCL).

    Examples:
        >>> a, b = torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
        >>> overlap("labels")({"labels": a[:, None]}, {"labels": b[None]})
        tensor([[0.5000, 0.3333, 0.0000]])
    """

    def weigh(q: Columns, k: Columns) -> Pairs | None:
        if column not in q or column not in k:
            return None
        left, right = (c if c.is_floating_point() else c.float() for c in (q[column], k[column]))
        # keys that all rows see are one matrix, of which no row needs a copy
        both = left[:, 0] @ right[0].T if len(right) == 1 else (left @ right.transpose(1, 2))[:, 0]
        either = left.sum(-1) + right.sum(-1) - both
        return both / either.clamp_min(1.0)

    return Rule(weigh)


def portion(column: str) -> Rule:
    """A soft rule on parts: the sum over members of both sides' parts, `sum_l a_l b_l`.

    The column is `(n, l)`, each row's parts from 0 up and 1 in all, such as the words of a text by how often they
    occur; of a key that is one member alone it is that member's part (`counterpoint.objectives.Logits`).

    Examples:
        >>> a, b = torch.tensor([[0.75, 0.25, 0.0]]), torch.eye(3)
        >>> portion("words")({"words": a[:, None]}, {"words": b[None]})
        tensor([[0.7500, 0.2500, 0.0000]])
    """

    def weigh(q: Columns, k: Columns) -> Pairs | None:
        if column not in q or column not in k:
            return None
        left, right = q[column], k[column]
        # keys that all rows see are one matrix, of which no row needs a copy
        return left[:, 0] @ right[0].T if len(right) == 1 else (left @ right.transpose(1, 2))[:, 0]

    return Rule(weigh)


def near(column: str, least: float) -> Rule:
    """The cosine of both vectors in a column, `(n, d)`, is at least so much; a vector of zeros is near nothing.

    With vectors of a guide, negatives that it finds near are probably none: `Relation(ignored=near("guide", 0.9) &
    ~same("sample"))`. Source: Zhou et al. 2022, "Debiased Contrastive Learning of Unsupervised Sentence
    Representations", section 4.2 (the weights of DCLR).

    Args:
        column: Of queries and keys.
        least: Above 0, up to 1.

    Raises:
        InputError: for a cosine out of its range.

    Examples:
        >>> a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.1], [1.0, 1.0], [0.0, 0.0]])
        >>> near("guide", 0.9)({"guide": a[:, None]}, {"guide": b[None]})
        tensor([[ True, False, False]])
    """
    if not 0 < least <= 1:
        raise InputError(f"near from a cosine of {least}", fix="give one above 0, up to 1; 0.9 is common")

    def weigh(q: Columns, k: Columns) -> Pairs | None:
        if column not in q or column not in k:
            return None
        left, right = (torch.nn.functional.normalize(c[column], dim=-1) for c in (q, k))
        # keys that all rows see are one matrix, of which no row needs a copy
        cosine = left[:, 0] @ right[0].T if len(right) == 1 else (left @ right.transpose(1, 2))[:, 0]
        return cosine >= least

    return Rule(weigh)


def as_near_as_own(query: str, key: str) -> Rule:
    """A guide finds the key as near to the query as the query's own, or nearer: probably another answer to it.

    Cosines of vectors in columns: `cos(q[query], k[key]) >= cos(q[query], q[key])`, where a query's `key` is its
    positive's. The positive itself is as near: `Relation(ignored=as_near_as_own("asked", "said") & ~same("sample"))`.
    Source: Morris and Rush 2024, "Contextual Document Embeddings", and the authors' code (a threshold of 1).

    Args:
        query: What the guide makes of a query, `(n, d)`.
        key: What it makes of a key.

    Examples:
        >>> q = {"asked": torch.tensor([[[1.0, 0.0]]]), "said": torch.tensor([[[1.0, 1.0]]])}
        >>> as_near_as_own("asked", "said")(q, {"said": torch.tensor([[[1.0, 1.0], [2.0, 1.0], [0.0, 1.0]]])})
        tensor([[ True,  True, False]])
    """

    def weigh(q: Columns, k: Columns) -> Pairs | None:
        if query not in q or key not in q or key not in k:
            return None
        asked, own, said = (torch.nn.functional.normalize(c, dim=-1) for c in (q[query], q[key], k[key]))
        cosine = asked[:, 0] @ said[0].T if len(said) == 1 else (asked @ said.transpose(1, 2))[:, 0]
        return cosine >= (asked * own).sum(-1)

    return Rule(weigh)


def share(column: str) -> Rule:
    """A weight that keys have in a column, from 0 to 1, whatever the query: `negative & share("weight")`.

    Examples:
        >>> share("part")({}, {"part": torch.tensor([[0.5, 0.25]])})
        tensor([[0.5000, 0.2500]])
    """
    return Rule(lambda _q, k: k.get(column))


never = Rule(lambda _q, _k: None)
"""The rule that no pair satisfies."""


def _nobodys(_q: Columns, k: Columns) -> Pairs | None:
    return k["sample"] < 0 if "sample" in k else None


mined = Rule(_nobodys)
"""The key is nobody's positive but a hard negative: as `negative`, other queries' positives are none."""

own_mined = mined & same("row")
"""The key is a hard negative that the query's own row brought: other rows' are no negatives."""

itself = equal("_point", "_point")
"""The query and the key are the same point (known where points are contrasted with themselves)."""

COPIES = (("input", "input"), ("partner", "input"), ("input", "partner"), ("group", "group"))
"""Columns of a query and of a key that are equal where the pair must not be negative."""

duplicate = equal("input", "input") | equal("partner", "input") | equal("input", "partner") | same("group")
"""The key is a copy of the query, of the query's own positive, is paired with a copy of the query, or of its group."""


@dataclass(frozen=True)
class Relation:
    """Which pairs are positive, which are ignored; all others are negatives.

    A point is never its own positive or negative, and a pair whose texts are duplicates is never negative (the
    `input` and `partner` columns tell), whatever the rules say.

    Args:
        positive: Weight as a positive.
        ignored: Pairs that are neither; by default none beyond the point itself and duplicates.
        negative: Weight as a negative; by default 1 for what is neither positive nor ignored.

    Examples:
        >>> supervised = Relation(positive=same("label"))
        >>> soft = Relation(positive=kernel("age", lambda d: torch.exp(-(d**2))), negative=~same("sample"))
    """

    positive: Rule = field(default_factory=lambda: same("sample"))
    ignored: Rule = never
    negative: Rule | None = None

    def weights(
        self, q: Columns, k: Columns, shape: tuple[int, int], like: Tensor
    ) -> tuple[Float[Tensor, "b m"], Float[Tensor, "b m"]]:
        """Positive and negative weights of a block of pairs.

        Args:
            q: Columns of the queries, `(b, 1)`.
            k: Columns of the keys, `(1, m)` or `(b, s)`.
            shape: `(b, m)`.
            like: A tensor of the wanted type and device.
        """
        positive = self._dense(self.positive(q, k), shape, like)
        if "positive" in k:
            given = k["positive"].to(like.dtype).expand(shape)
            positive = given if positive is None else torch.maximum(positive, given)
        if positive is None:
            positive = like.new_zeros(shape)
        unmatched = positive == 0
        negative = unmatched.to(like.dtype) if self.negative is None else self._dense(self.negative(q, k), shape, like)
        if negative is None:
            negative = like.new_zeros(shape)
        copies = duplicate(q, k)
        # a duplicate that is itself a positive of this query stays one
        parts = itself(q, k), None if copies is None else copies & unmatched, ~k["valid"] if "valid" in k else None
        if outs := [part for part in parts if part is not None]:
            out = reduce(torch.logical_or, outs)
            positive, negative = positive.masked_fill(out, 0.0), negative.masked_fill(out, 0.0)
        if (ignored := self.ignored(q, k)) is not None:
            keep = 1 - ignored.to(like.dtype)
            positive, negative = positive * keep, negative * keep
        return positive, negative

    @staticmethod
    def _dense(weight: Pairs | None, shape: tuple[int, int], like: Tensor) -> Tensor | None:
        return None if weight is None else weight.to(device=like.device, dtype=like.dtype).expand(shape)
