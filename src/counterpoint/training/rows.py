"""Rows of any schema over items of any modality, as batches: the one training set."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.data.stored import StoredTexts
from counterpoint.encoders.contextual import ContextualEncoder
from counterpoint.encoders.features import Kind
from counterpoint.encoders.inputs import Inputs, Sides, cat, cost, take
from counterpoint.encoders.prompting import tokenize_prompted
from counterpoint.encoders.towers import Towers
from counterpoint.errors import InputError
from counterpoint.points import Points
from counterpoint.training._processes import Processes
from counterpoint.training.payload import Arguments, Batches, Payload


class ItemView(abc.ABC):
    """A view that is drawn for each item by a number of its own, and may change the item before it becomes inputs.

    The numbers follow from one draw a batch and side, which all processes share, and from the item: what is drawn is
    the same in whatever chunks and on however many processes.
    """

    @abc.abstractmethod
    def check(self, items: Items, encoder: nn.Module) -> None:
        """Refuse, before training, items or an encoder that it cannot do anything with."""

    @abc.abstractmethod
    def __call__(self, items: Items, inputs: Any, encoder: Any, kind: Kind, numbers: Sequence[int]) -> Any:
        """The inputs of the items' views.

        Args:
            items: Some, in order.
            inputs: What the encoder makes of them as they are.
            encoder: Makes inputs of items; of two towers that of this side.
            kind: Of the items.
            numbers: From 0 to 2^63 - 1, one an item.
        """


View: TypeAlias = Callable[[Any], Any] | ItemView
"""Inputs to as many inputs of the same kind; random choices follow torch's global state, or see `ItemView`."""
Views: TypeAlias = View | tuple[View | None, ...] | None
"""One for all, or two: one for anchors and one for what they are contrasted with; None: as they are.

Of items in several views there may be more than two: one for each view, the last for all that follow.
"""


class RowBatches(Batches):
    """A data set as batches of points.

    | schema | queries | keys |
    |---|---|---|
    | items, labelled | the first view | the second; with more than two all are queries, with one there are no keys |
    | pairs, tuples, scored | the anchors | positives, then hard negatives, which are negatives of everybody |
    | the same, `sampled` | the anchors | none; each anchor has its own: a positive and drawn others (`owned`) |
    | pairs, `shared` | the anchors | positives and drawn others, each once; `sample` tells which item it is |

    Columns: `sample` tells which belong together; `view` which view it is; the data's own. Of pairs `input` and
    `partner`, so that copies are known and never negatives (items alone: `input`, if any two are equal); `group` if an
    anchor has several positives: what shares an item, directly or through others, is one group; `row` if there are hard
    negatives: which row brought a key.

    Every item becomes inputs once; a batch takes its rows of them. A `ContextualEncoder` reads each side after a sample
    of what the whole batch is contrasted with.

    Args:
        data: The rows.
        encoder: Makes inputs of items (`inputs`, or a text encoder's `tokenize`; else a tensor is what it eats).
        view: Of inputs.
        views: Of items alone or labelled, 1 or more.
        sampled: Negatives drawn for each anchor from all that the data contrast with, in place of all others of the
            batch; what is drawn and belongs to the anchor, by any row of the data, does not count.
        shared: Drawn for the whole batch from all that the data contrast with, as keys beside the positives; if that
            many are there, they are all keys: a classification into items (1-vs-all, Lacroix et al. 2018). What other
            rows say of an anchor is a negative here, as it is there.
        together: The column whose value all rows of a batch share; "": no column.
        kinds: The kinds of anchors and of the others; ("query", "document") of pairs and tuples, else none, if not
            given.

    Raises:
        InputError: No views, no such column, negatives to be drawn where there are no positives or hard negatives
            already, or shared ones where rows are no pairs.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a b", "c d"], dim=4)
        >>> batches = RowBatches(rows_of([Example("a", ("b",)), Example("c", ("d",))]), encoder)
        >>> payload = batches.payload(torch.tensor([1, 0]))
        >>> payload.arguments(encoder(payload.inputs))["keys"].columns["sample"].tolist()
        [1, 0]
    """

    def __init__(
        self,
        data: Data,
        encoder: nn.Module,
        *,
        view: Views = None,
        views: int = 2,
        sampled: int = 0,
        shared: int = 0,
        together: str = "",
        kinds: tuple[Kind, Kind] | None = None,
    ) -> None:
        if views < 1:
            raise InputError(f"{views} views of each item", fix="use 1 or more")
        if sampled and (data.positives is None or data.negatives is not None):
            raise InputError("negatives are drawn for rows with positives and no hard negatives", fix="give such data")
        if shared and (sampled or data.schema != "pairs"):
            raise InputError("keys are drawn for all anchors of pairs", fix="give pairs, and draw none for each anchor")
        if together:
            if together not in data.columns:
                raise InputError(
                    f"batches are to share {together!r}, a column that is not there", fix="give the data it"
                )
            self.groups = torch.unique(data.columns[together], dim=0, return_inverse=True)[1]
        self.data, self._views, self._sampled, self._shared = data, views, sampled, shared
        self._view = view if isinstance(view, tuple) else (view, view)
        self._two = isinstance(encoder, Towers)
        sided = self._two or data.schema in ("pairs", "tuples")
        anchors, keys = kinds or (("query", "document") if sided else (None, None))
        others = data.anchors if data.others is None else data.others
        first = inputs_of(encoder, data.anchors, anchors)
        same = others is data.anchors and anchors == keys
        self._inputs = (first, first if same else inputs_of(encoder, others, keys))
        self._items, self._kinds = (data.anchors, others), (anchors, keys)
        self._towers = tuple(encoder.side(k) if isinstance(encoder, Towers) else encoder for k in self._kinds)
        for side, one in enumerate(self._view):
            if isinstance(one, ItemView):
                one.check(self._items[min(side, 1)], self._towers[min(side, 1)])
        self._hash = (data.anchors.hashes(), others.hashes())
        # of the whole data, so that all processes agree on which columns there are
        self._copies = len(self._hash[0][data.anchor].unique()) < len(data)
        self._alike = shared > 0 and len(self._hash[1].unique()) < len(others)
        self._several = data.positives is not None and bool((data.positives >= 0).sum(1).gt(1).any())
        if sampled and data.positives is not None:
            number = _numbers(data.anchor, data.positives, len(others))
            # and one that is none: what is looked for is never beyond the end
            self._together = torch.cat([number[data.positives >= 0].unique(), torch.tensor([2**63 - 1])])

    def __len__(self) -> int:
        return len(self.data)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The batch of these rows."""
        made = self._payload_of(rows, among)
        encoder = self._towers[0]
        if not isinstance(encoder, ContextualEncoder):
            return made
        # the first process draws what one alone would
        drawn = Processes.current().broadcast(int(torch.randint(2**62, ())))
        inputs = encoder.among(made.inputs, self._documents(rows if among is None else among), made.views, drawn)
        return replace(made, inputs=inputs, cost=inputs.cost())

    def _documents(self, rows: Int[Tensor, " n"]) -> list[str]:
        """What the rows are contrasted with, hard negatives among them."""
        data = self.data[rows]
        sides = [at for at in (data.positives, data.negatives) if at is not None] or [data.anchor]
        at = torch.cat([side[side >= 0] for side in sides])
        return [self._items[1].texts[i] for i in at.tolist()]

    def _payload_of(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None) -> Payload:
        data = self.data[rows]
        if data.positives is None:
            return self._views_of(data, rows)
        if self._shared:
            return self._classified(data, data.positives[:, 0], rows if among is None else among)
        return self._drawn(data, data.positives) if self._sampled else self._pairs(data, data.positives, rows, among)

    def _views_of(self, data: Data, rows: Int[Tensor, " b"]) -> Payload:
        """Items alone or labelled, in several views."""
        n, views = len(rows), self._views
        columns: dict[str, Tensor] = {**data.columns, "sample": rows.clone()}
        if self._copies:
            columns["input"] = self._hash[0][data.anchor]
        plain = [take(self._inputs[0], data.anchor)]
        if views > 1:
            same = self._inputs[0] is self._inputs[1]
            plain += [plain[0] if same else take(self._inputs[1], data.anchor)] * (views - 1)
        # where there are no keys, queries are what a view for keys alone is for
        parts = [self._seen(inputs, v if views > 1 else 1, min(v, 1), data.anchor) for v, inputs in enumerate(plain)]

        def arguments(z: Float[Tensor, "n *d"]) -> Arguments:
            if views == 1:
                return {"queries": Points(z, columns), "keys": None}
            sides = [Points(part, {**columns, "view": torch.full_like(rows, v)}) for v, part in enumerate(z.split(n))]
            return {"queries": sides[0], "keys": sides[1]} if views == 2 else {"queries": Points.cat(sides)}

        return self._payload(parts, arguments)

    def _pairs(
        self, data: Data, positives: Int[Tensor, "b p"], rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None
    ) -> Payload:
        there = positives >= 0
        keys = positives[there]
        sample = rows[:, None].expand_as(positives)[there]
        anchor_hash = self._hash[0][data.anchor]
        partner = anchor_hash[:, None].expand_as(positives)[there]
        if data.negatives is not None:
            hard = data.negatives[data.negatives >= 0]
            keys = torch.cat([keys, hard])
            brought = torch.cat([sample, rows[:, None].expand_as(data.negatives)[data.negatives >= 0]])
            sample = torch.cat([sample, torch.full_like(hard, -1)])
            # its own: paired with the anchor it would be left out as no negative
            partner = torch.cat([partner, self._hash[1][hard]])
        first = torch.where(there.any(1), self._hash[1][positives[:, 0]], anchor_hash)
        columns: dict[str, Tensor] = {**data.columns, "sample": rows.clone(), "input": anchor_hash, "partner": first}
        key_columns = {"sample": sample, "input": self._hash[1][keys], "partner": partner}
        if data.negatives is not None:
            columns["row"], key_columns["row"] = rows.clone(), brought
        if self._several:
            group = self._groups(rows if among is None else among)
            for side in (columns, key_columns):
                side["group"] = torch.tensor([group.get(text, -1) for text in side["input"].tolist()], dtype=torch.long)
        return self._contrasted(data.anchor, columns, keys, key_columns)

    def _drawn(self, data: Data, positives: Int[Tensor, "b p"]) -> Payload:
        n, s = len(data), self._sampled
        assert data.others is not None  # positives are rows of them
        drawn = torch.randint(len(data.others), (n, s))
        own = torch.cat([positives[:, :1], drawn], 1)
        positive = torch.zeros(n, 1 + s)
        positive[:, 0] = 1
        number = _numbers(data.anchor, own, len(data.others))
        belongs = self._together[torch.searchsorted(self._together, number)] == number
        valid = ~belongs | positive.bool()
        parts = [
            self._seen(take(inputs, at), side, side, at)
            for side, (inputs, at) in enumerate(zip(self._inputs, (data.anchor, own.flatten()), strict=True))
        ]

        def arguments(z: Float[Tensor, "n *d"]) -> Arguments:
            owned = Points(z[n:].unflatten(0, (n, 1 + s)), positive=positive, valid=valid)
            return {"queries": Points(z[:n], data.columns), "owned": owned}

        return self._payload(parts, arguments)

    def _classified(self, data: Data, positive: Int[Tensor, " b"], among: Int[Tensor, " n"]) -> Payload:
        assert data.others is not None  # positives are rows of them
        # every process encodes its share of the items, and all are gathered: each is a key once
        processes = Processes.current()
        mine = processes.share(torch.arange(len(data.others)))
        if self._shared < len(data.others):
            chosen = torch.zeros(len(data.others), dtype=torch.bool)
            chosen[self.data.positives[among, 0]] = True  # type: ignore[index]
            chosen[mine[torch.randint(len(mine), (self._shared // processes.world,))]] = True
            mine = mine[chosen[mine]]
        columns, key_columns = {**data.columns, "sample": positive}, {"sample": mine}
        if self._alike:
            columns["partner"], key_columns["input"] = self._hash[1][positive], self._hash[1][mine]
        return self._contrasted(data.anchor, columns, mine, key_columns)

    def _contrasted(
        self, anchor: Tensor, columns: dict[str, Tensor], keys: Tensor, key_columns: dict[str, Tensor]
    ) -> Payload:
        parts = [
            self._seen(take(inputs, at), side, side, at)
            for side, (inputs, at) in enumerate(zip(self._inputs, (anchor, keys), strict=True))
        ]

        def arguments(z: Float[Tensor, "n *d"]) -> Arguments:
            return {"queries": Points(z[: len(anchor)], columns), "keys": Points(z[len(anchor) :], key_columns)}

        return self._payload(parts, arguments)

    def _seen(self, inputs: Any, view: int, side: int, at: Int[Tensor, " m"]) -> Any:
        """The inputs of the items `at` of a side, by a view."""
        seen = self._view[min(view, len(self._view) - 1)]
        if not isinstance(seen, ItemView):
            return inputs if seen is None else seen(inputs)
        # the first process draws what one alone would
        drawn = Processes.current().broadcast(int(torch.randint(2**62, ())))
        numbers = [hash((drawn, item)) % 2**63 for item in at.tolist()]
        return seen(self._items[side][at], inputs, self._towers[side], self._kinds[side], numbers)

    def _payload(self, parts: list[Any], arguments: Callable[[Float[Tensor, "n *d"]], Arguments]) -> Payload:
        inputs: Inputs
        if self._two:
            inputs = Sides.of(parts[0], cat(parts[1:]) if parts[1:] else None)
        else:
            # one network sees its rows in one forward: two would differ by rounding
            inputs = parts[0] if len(parts) == 1 else cat(parts)
        sizes = tuple(len(cost(part)) for part in parts)
        return Payload(inputs, cost(inputs), take, arguments, sizes)

    def _groups(self, rows: Int[Tensor, " n"]) -> dict[int, int]:
        """Items of a batch whose rows share an item, directly or through others, form a group: hash -> group."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        data = self.data[rows]
        assert data.positives is not None
        there = data.positives >= 0
        number = torch.arange(len(rows))
        ends = torch.cat([number, number[:, None].expand_as(there)[there]]).numpy()
        hashes = torch.cat([self._hash[0][data.anchor], self._hash[1][data.positives[there]]]).numpy()
        items, place = np.unique(hashes, return_inverse=True)
        size = len(rows) + len(items)
        _, component = connected_components(
            coo_array((np.ones(len(ends)), (ends, place + len(rows))), (size, size)), directed=False
        )
        return dict(zip(items.tolist(), component[len(rows) :].tolist(), strict=True))


def _numbers(anchor: Int[Tensor, " n"], items: Int[Tensor, "n k"], number: int) -> Int[Tensor, "n k"]:
    """One number for each pair of an anchor and an item of so many."""
    return anchor[:, None] * number + items


@dataclass(frozen=True)
class LateInputs:
    """Inputs of items that are in files: rows become inputs when they are taken.

    Attributes:
        encoder: Makes them.
        items: Of what.
        kind: Of the items.
    """

    encoder: Any
    items: Items
    kind: Kind

    def take(self, rows: Int[Tensor, " b"]) -> Inputs:
        """The inputs of these rows."""
        return inputs_of(self.encoder, self.items[rows], self.kind)

    def cost(self) -> Int[Tensor, " n"]:
        """What all cost, which takes them all; a batch asks for those that it took."""
        return cost(self.take(torch.arange(len(self.items))))

    def to(self, device: torch.device) -> LateInputs:
        """The same: what is taken is moved."""
        del device
        return self


def inputs_of(encoder: Any, items: Items, kind: Kind = None) -> Inputs:
    """What an encoder makes of items before its forward.

    Examples:
        >>> inputs_of(nn.Linear(2, 2), Items("vector", torch.zeros(3, 2))).shape
        torch.Size([3, 2])
    """
    if isinstance(items.values, StoredTexts):
        return LateInputs(encoder, items, kind)
    if isinstance(encoder, Towers):
        encoder = encoder.side(kind)
    if hasattr(encoder, "inputs"):
        inputs: Inputs = encoder.inputs(items, kind)
        return inputs
    if hasattr(encoder, "tokenize"):
        return tokenize_prompted(encoder, items.texts, items.prompts or [""] * len(items), kind)
    return items.tensor
