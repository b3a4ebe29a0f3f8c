"""Knowledge graphs: one table of entities, and relations that are operators on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.encoders.features import Kind
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError, refuse_string
from counterpoint.geometry import GEOMETRIES, Geometry


@dataclass(frozen=True)
class Operator:
    """What a relation does to a head; the result is compared with tails.

    Attributes:
        name: The published model's.
        apply: From heads `(n, d)` and relations `(n, w)` to queries `(n, d)`.
        invert: From relations to their inverses: the head of a triple is the tail of its inverse.
        similarity: How queries are compared with entities, a name in `counterpoint.geometry.GEOMETRIES`.
        halves: Vectors are complex numbers, real parts first: their dimension is even.
        turns: Relations are angles, one a complex number.
    """

    name: str
    apply: Callable[[Tensor, Tensor], Tensor]
    invert: Callable[[Tensor], Tensor]
    similarity: str
    halves: bool = False
    turns: bool = False


def _times(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    (u, v), (x, y) = a.chunk(2, -1), b.chunk(2, -1)
    return torch.cat([u * x - v * y, u * y + v * x], -1)


def _conjugate(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    first, last = z.chunk(2, -1)
    return torch.cat([first, -last], -1)


def _turned(z: Float[Tensor, "n d"], angle: Float[Tensor, "n w"]) -> Float[Tensor, "n d"]:
    return _times(z, torch.cat([angle.cos(), angle.sin()], -1))


OPERATORS: dict[str, Operator] = {
    "transe": Operator("TransE", torch.add, torch.neg, "manhattan"),
    "distmult": Operator("DistMult", torch.mul, lambda r: r, "dot"),
    "complex": Operator("ComplEx", _times, _conjugate, "dot", halves=True),
    "rotate": Operator("RotatE", _turned, torch.neg, "modulus", halves=True, turns=True),
}
"""TransE, `-|h + r - t|_1` (Bordes et al. 2013); DistMult, `(h * r) . t` (Yang et al. 2015); ComplEx, the real part of
`sum_i h_i r_i conj(t_i)` (Trouillon et al. 2016); RotatE, `-sum_i |h_i r_i - t_i|`, `|r_i| = 1` (Sun et al. 2019)."""


class _Lookup(nn.Module):
    """A tower whose items are rows of whole numbers.

    Attributes:
        limits: How many there are of each number.
    """

    modality: str
    limits: tuple[int, ...]

    def inputs(self, items: Items, kind: Kind = None) -> Int[Tensor, "n *k"]:
        """The numbers.

        Raises:
            InputError: Items of another kind, or unknown ones.
        """
        del kind
        ids = items.tensor
        if items.modality != self.modality:
            raise InputError(f"modality {items.modality!r}, where {self.modality!r} is needed", fix="give such items")
        if bool((ids < 0).any() or (ids >= torch.tensor(self.limits)).any()):
            counts = " and ".join(f"{n:,}" for n in self.limits)
            raise InputError(f"numbers beyond the model's {counts}", fix="give what the model was trained on")
        return ids

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One float32 vector an item, without gradient."""
        device = next(self.parameters()).device
        with torch.inference_mode():
            z: Tensor = self(self.inputs(items, kind).to(device))
            return z.float().cpu().numpy()


class _Entities(_Lookup):
    modality = "entity"

    def __init__(self, entities: int, dim: int) -> None:
        super().__init__()
        self.dim, self.limits = dim, (entities,)
        self.weight = nn.Parameter(torch.empty(entities, dim))

    def forward(self, ids: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        # the gradient takes half the time of that of an embedding
        return self.weight.index_select(0, ids)


class _Queries(_Lookup):
    modality = "query"

    def __init__(self, entities: _Entities, relations: int, operator: Operator, *, reciprocal: bool) -> None:
        super().__init__()
        # no module of this one: the table would be in the state twice, and its average or its optimiser's state once
        self._entities = (entities,)
        self.dim, self.limits = entities.dim, (len(entities.weight), 2 * relations)
        self.operator, self.reciprocal = operator, reciprocal
        width = self.dim // 2 if operator.turns else self.dim
        self.weight = nn.Parameter(torch.empty(relations * (2 if reciprocal else 1), width))

    def forward(self, ids: Int[Tensor, "n 2"]) -> Float[Tensor, "n d"]:
        entity, relation = ids.unbind(1)
        vectors = self.weight.index_select(0, relation % len(self.weight))
        if not self.reciprocal:
            inverse = (relation >= len(self.weight))[:, None]
            vectors = torch.where(inverse, self.operator.invert(vectors), vectors)
        return self.operator.apply(self._entities[0](entity), vectors)


class KnowledgeGraph(Towers):
    """Entities as vectors, relations as operators on them: an entity and a relation ask, entities answer.

    A query is the numbers of an entity and of a relation, `(n, 2)`; of `R` relations the inverse of `r` is `r + R`, so
    that heads are asked for like tails. An entity is its number, `(n,)`. Both towers share one table.

    Args:
        entities: Their names.
        relations: Their names.
        operator: A name in `OPERATORS`.
        dim: Of the vectors; a complex number takes two.
        reciprocal: Inverses have vectors of their own (Lacroix et al. 2018); if not, they are what undoes the
            relation, as in the papers of the operators.

    Attributes:
        known: `(k, 3)` head, relation and tail of what is known, which `complete` does not repeat.

    Raises:
        InputError: An unknown operator, or an odd dimension for complex numbers.

    Examples:
        >>> graph = KnowledgeGraph(["ann", "bob", "eve"], ["mother of"], dim=4)
        >>> graph.modality("query"), graph.modality("document"), graph.similarity
        ('query', 'entity', 'dot')
        >>> graph.encode_items(Items("query", torch.tensor([[0, 0], [1, 1]])), kind="query").shape
        (2, 4)
    """

    known: Tensor

    def __init__(
        self,
        entities: Sequence[str],
        relations: Sequence[str],
        operator: str = "complex",
        *,
        dim: int = 200,
        reciprocal: bool = True,
    ) -> None:
        refuse_string(entities, "entities")
        refuse_string(relations, "relations")
        if operator not in OPERATORS:
            raise InputError(f"no operator is called {operator!r}", fix=f"choose from {', '.join(OPERATORS)}")
        chosen = OPERATORS[operator]
        if chosen.halves and dim % 2:
            raise InputError(f"{dim} dimensions are no complex numbers", fix="use an even number of dimensions")
        table = _Entities(len(entities), dim)
        super().__init__(_Queries(table, len(relations), chosen, reciprocal=reciprocal), table)
        self.entities, self.relations = tuple(entities), tuple(relations)
        self.operator, self.reciprocal = operator, reciprocal
        self.register_buffer("known", torch.empty(0, 3, dtype=torch.long))
        for side in ("query", "document"):
            nn.init.normal_(self.side(side).weight, std=0.1)
        if chosen.turns:
            nn.init.uniform_(self.side("query").weight, -torch.pi, torch.pi)

    @classmethod
    def of(cls, data: Data, relations: Sequence[str] = (), **options: Any) -> KnowledgeGraph:
        """An untrained model of the entities and relations of a data set, whose triples it knows.

        Args:
            data: Queries `(q, 2)` and entities, both ways (`counterpoint.data.triples`).
            relations: Their names; numbers if not given.
            **options: See the class.

        Examples:
            >>> queries = Items("query", torch.tensor([[0, 0], [1, 1]]))
            >>> data = Data(queries, torch.arange(2), Items("entity", torch.arange(2)), torch.tensor([[1], [0]]))
            >>> KnowledgeGraph.of(data, dim=4).known.tolist()
            [[0, 0, 1]]
        """
        if data.others is None or data.positives is None:
            raise InputError("these are no triples", fix="give queries and the entities that answer them")
        refuse_string(relations, "relations")
        triples = torch.cat([data.anchors.tensor[data.anchor], data.positives[:, :1]], 1)
        number = int(data.anchors.tensor[:, 1].max()) // 2 + 1
        names = data.others.names or [str(i) for i in range(len(data.others))]
        graph = cls(names, relations or [str(i) for i in range(number)], **options)
        graph.known = triples[triples[:, 1] < len(graph.relations)]
        return graph

    @property
    def similarity(self) -> str:
        """How queries are compared with entities, a name in `counterpoint.geometry.GEOMETRIES`."""
        return OPERATORS[self.operator].similarity

    @property
    def geometry(self) -> Geometry:
        """What gives the scores."""
        return GEOMETRIES[self.similarity]

    def complete(
        self, head: str | None, relation: str, tail: str | None = None, *, k: int = 10, known: bool = False
    ) -> list[tuple[str, float]]:
        """The entities that complete a triple best, and their scores.

        Args:
            head: The name of an entity; None: what is asked for.
            relation: The name of a relation.
            tail: As the head; one of them is given.
            k: How many.
            known: Also those of which it is known.

        Raises:
            InputError: Head and tail are both given or both not, or there is no such name.

        Examples:
            >>> graph = KnowledgeGraph(["ann", "bob", "eve"], ["mother of"], "transe", dim=2)
            >>> _ = graph.document.weight.data.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]]))
            >>> _ = graph.query.weight.data.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
            >>> graph.complete("ann", "mother of", k=2)
            [('bob', -0.0), ('eve', -0.5)]
            >>> graph.known = torch.tensor([[0, 0, 1]])
            >>> graph.complete("ann", "mother of", k=2), graph.complete(None, "mother of", "eve", k=1)
            ([('eve', -0.5), ('ann', -1.0)], [('ann', -0.5)])
        """
        if (head is None) == (tail is None):
            raise InputError("a head and a relation are completed, or a relation and a tail", fix="give one of the two")
        asked, relations = head if tail is None else tail, len(self.relations)
        entity, r = _number(asked, self.entities, "entity"), _number(relation, self.relations, "relation")
        query = torch.tensor([[entity, r if tail is None else r + relations]])
        with torch.inference_mode():
            q = self.geometry.prepare(self.query(query.to(self.known.device)))
            scores = self.geometry.shared(q, self.geometry.prepare(self.side(None).weight), 1.0)[0].float().cpu()
        left = torch.ones(len(scores), dtype=torch.bool)
        if not known:
            given, wanted = (0, 2) if tail is None else (2, 0)
            rows = self.known.cpu()
            left[rows[(rows[:, given] == entity) & (rows[:, 1] == r)][:, wanted]] = False
        places = left.nonzero()[:, 0]
        order = scores[places].argsort(descending=True, stable=True)[:k]
        return [(self.entities[i], float(scores[i])) for i in places[order].tolist()]

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        # there may be any number of triples
        if (known := state_dict.get(f"{prefix}known")) is not None:
            self.known = torch.empty_like(known, device=self.known.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _number(name: str | None, names: Sequence[str], what: str) -> int:
    if name in names:
        return names.index(name)
    from difflib import get_close_matches

    near = get_close_matches(str(name), names, 3)
    raise InputError(
        f"no {what} is called {name!r}",
        fix=f"did you mean {', '.join(map(repr, near))}" if near else f"give another {what}",
    )
