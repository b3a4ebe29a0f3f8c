"""Texts to train on: tokenised once, each batch taken from the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.data.hashing import input_hash
from counterpoint.encoders.features import Kind, concat, drop_tokens, lengths, take
from counterpoint.encoders.prompting import tokenize_prompted
from counterpoint.points import Points
from counterpoint.training.payload import Arguments, Payload

if TYPE_CHECKING:
    from counterpoint.data.types import Example
    from counterpoint.encoders.protocol import Encoder


class TextBatches:
    """Examples of any schema as batches of points.

    The anchors are the queries, each after its row's own prompt where it has one, in place of the encoder's. Positives,
    then hard negatives, are keys that every query sees: a hard negative is a negative of everybody. An example without
    positives and without a label is its own positive: it is encoded twice, and dropout makes the difference (SimCSE).
    Texts with sets of labels have the column `labels`, 1 for each label that they have and 0 for every other, and
    `label`, the same where the set is the same. Every distinct text is tokenised once.

    Args:
        examples: The rows.
        encoder: Its tokenizer is used.
        kinds: The kinds of anchors and of the others, which choose the prompts.
        token_dropout: Share of the keys' tokens that each batch leaves out at random: a view for encoders without
            dropout. Where there are no keys, of the anchors'.

    Examples:
        >>> from counterpoint.data.types import Example
        >>> from counterpoint.encoders import StaticEncoder
        >>> encoder = StaticEncoder.from_corpus(["a b", "c d"], dim=4)
        >>> batches = TextBatches([Example("a", ("b",)), Example("c", ("d",))], encoder)
        >>> payload = batches.payload(torch.tensor([1, 0]))
        >>> arguments = payload.arguments(encoder(payload.inputs))
        >>> arguments["keys"].columns["sample"].tolist()
        [1, 0]
    """

    def __init__(
        self,
        examples: Sequence[Example],
        encoder: Encoder,
        *,
        kinds: tuple[Kind, Kind] = ("query", "document"),
        token_dropout: float = 0.0,
    ) -> None:
        self.token_dropout = token_dropout
        self._examples = list(examples)
        names = sorted({e.label for e in examples if e.label is not None})
        self._labels = {name: i for i, name in enumerate(names)}
        sets = dict.fromkeys(frozenset(e.labels) for e in examples if e.labels is not None)
        self._sets = {labels: i for i, labels in enumerate(sets)}
        members = sorted(set().union(*sets))
        hot = [[float(member in labels) for member in members] for labels in sets]
        self._hot = torch.tensor(hot).view(len(sets), len(members))
        # of the whole data, so that all processes agree on which columns there are
        self._scored = any(e.score is not None for e in self._examples)
        self._several = any(len(e.positives) > 1 for e in self._examples)
        self._alone = [not e.positives and e.label is None and e.labels is None for e in self._examples]
        self._keyed = any(alone or e.texts[1:] for alone, e in zip(self._alone, self._examples, strict=True))
        anchors = dict.fromkeys((e.prompt, e.anchor) for e in self._examples)
        others = dict.fromkeys(t for e in self._examples for t in (*e.positives, *e.negatives))
        others |= dict.fromkeys(e.anchor for e, alone in zip(self._examples, self._alone, strict=True) if alone)
        self._anchor = {anchor: i for i, anchor in enumerate(anchors)}
        self._other = {text: len(anchors) + i for i, text in enumerate(others)}
        parts = []
        if anchors:
            prompts, texts = zip(*anchors, strict=True)
            parts.append(tokenize_prompted(encoder, texts, prompts, kinds[0]))
        if others:
            parts.append(encoder.tokenize(list(others), kinds[1]))
        self._features = concat(parts)
        whole = [prompt + text for prompt, text in anchors]
        self._hash = torch.from_numpy(np.asarray(input_hash([*whole, *others])))

    def __len__(self) -> int:
        return len(self._examples)

    def payload(self, rows: Int[Tensor, " b"], among: Int[Tensor, " n"] | None = None) -> Payload:
        """The batch of these examples."""
        among = rows if among is None else among
        chosen = [(row, self._examples[row], self._alone[row]) for row in rows.tolist()]
        anchors = [self._anchor[e.prompt, e.anchor] for _, e, _ in chosen]
        keys, sample, partner, first = [], [], [], []
        for anchor, (row, e, alone) in zip(anchors, chosen, strict=True):
            mine = [self._other[text] for text in ((e.anchor,) if alone else e.positives)]
            first.append(mine[0] if mine else anchor)
            keys += mine
            sample += [row] * len(mine)
            partner += [anchor] * len(mine)
        for _, e, _ in chosen:
            more = [self._other[text] for text in e.negatives]
            keys += more
            sample += [-1] * len(more)
            partner += more
        columns = {"sample": rows.clone(), "input": self._hash[anchors], "partner": self._hash[first]}
        if self._labels:
            columns["label"] = torch.tensor([self._labels.get(e.label or "", -1) for _, e, _ in chosen])
        if self._sets:
            which = torch.tensor([-1 if e.labels is None else self._sets[frozenset(e.labels)] for _, e, _ in chosen])
            columns["labels"] = self._hot[which] * (which >= 0)[:, None]
            # the same set is the same label, to whom it may concern; no labels are nobody's
            columns["label"] = torch.where(columns["labels"].any(1), which, -1)
        if self._scored:
            columns["score"] = torch.tensor([float("nan") if e.score is None else e.score for _, e, _ in chosen])
        key_columns = {
            "sample": torch.tensor(sample, dtype=torch.long),
            "input": self._hash[keys],
            "partner": self._hash[partner],
        }
        if self._several:
            group = self._groups(among.tolist())
            for side in (columns, key_columns):
                side["group"] = torch.tensor([group.get(text, -1) for text in side["input"].tolist()], dtype=torch.long)
        features = take(self._features, anchors + keys)
        if self.token_dropout:
            features = drop_tokens(features, self.token_dropout, start=len(anchors) if self._keyed else 0)

        def arguments(z: Float[Tensor, "n *d"]) -> Arguments:
            queries = Points(z[: len(anchors)], _to(columns, z))
            return {"queries": queries, "keys": Points(z[len(anchors) :], _to(key_columns, z)) if self._keyed else None}

        return Payload(features, lengths(features).clamp_min(1), take, arguments, (len(anchors), len(keys)))

    def _groups(self, rows: Sequence[int]) -> dict[int, int]:
        """Texts of a batch whose examples share a text, directly or through others, form a group: hash -> group."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        edges = [(i, text) for i, row in enumerate(rows) for text in self._texts(row)]
        texts, place = np.unique([text for _, text in edges], return_inverse=True)
        size = len(rows) + len(texts)
        ends = (np.array([i for i, _ in edges]), place + len(rows))
        _, component = connected_components(coo_array((np.ones(len(edges)), ends), (size, size)), directed=False)
        return dict(zip(texts.tolist(), component[len(rows) :].tolist(), strict=True))

    def _texts(self, row: int) -> list[int]:
        """Hashes of an example's anchor and positives."""
        e = self._examples[row]
        places = [self._anchor[e.prompt, e.anchor], *(self._other[text] for text in e.positives)]
        return [int(self._hash[place]) for place in places]


def _to(columns: dict[str, Tensor], z: Tensor) -> dict[str, Tensor]:
    return {name: column.to(z.device) for name, column in columns.items()}
