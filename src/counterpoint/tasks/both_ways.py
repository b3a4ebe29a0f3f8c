"""Two kinds of items that belong together, such as pictures and captions: each should find the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from counterpoint.evaluate import Judged, figure, hit_rate, similarity_of
from counterpoint.report.content import Map, QueryList, Scores
from counterpoint.tasks.collection import Collection
from counterpoint.tasks.find import Find, ranked, sides
from counterpoint.tasks.show import unit
from counterpoint.tasks.task import Encodes, Measured, Task

_DEPTHS = (1, 5, 10)
_METRICS = (*(f"hit@{k}" for k in _DEPTHS), "mean rank")


class BothWays(Task):
    """Retrieval in both directions, as it is reported of pictures and captions: hit@1, hit@5, hit@10 and the mean rank.

    The field calls hit@K "recall@K": whether any of a picture's captions is among the first K. What is chosen by is the
    `mean recall`, the mean of the six hit rates (a sixth of its "rsum"). Its items are the queries of the first
    direction, each with the mean over its partners, since these hang together; where all have as many partners, that
    is the mean of the six figures.

    Args:
        test: What the figures are of; every document answers a query.
        dev: What training is validated by.

    Examples:
        >>> import torch
        >>> from counterpoint.data.items import Data, Items
        >>> from counterpoint.tasks.collection import pairs
        >>> class Ids:
        ...     def encode_items(self, items, *, kind=None):
        ...         return np.eye(2, dtype=np.float32)[items.tensor % 2]
        >>> rows = torch.arange(2)
        >>> test = pairs(Data(Items("image", rows), rows, Items("entity", rows + 2), rows[:, None]))
        >>> BothWays(test, test).measure("ids", Ids()).figures["image to entity hit@1"].value
        1.0
    """

    metric = "mean recall"

    def __init__(self, test: Collection, dev: Collection) -> None:
        self.test, self.dev = test, dev
        self.ways = tuple(Find(part, part, metrics=_METRICS) for part in (test, test.swapped()))
        first, second = test.queries.modality, test.corpus.modality
        self.names, self.unit = (f"{first} to {second}", f"{second} to {first}"), unit(test.queries)
        self.lower = tuple(f"{name} mean rank" for name in self.names)
        over = ", ".join(f"hit@{k}" for k in _DEPTHS)
        self.notes = (*test.notes, f"mean recall is the mean of {over} (also called recall@K) of both directions")

    def validate(self, encoder: Encodes) -> float:
        """The mean recall on dev."""
        z, metric, other = sides(encoder, self.dev), similarity_of(encoder), self.dev.swapped()
        judged = (ranked(z, metric, self.dev).judged, ranked((z[1], z[0]), metric, other).judged)
        return float(_mean_recall(judged, self.dev, other).mean())

    def measure(self, name: str, encoder: Encodes) -> Measured:
        """Exact search both ways."""
        z, metric = sides(encoder, self.test), similarity_of(encoder)
        parts = tuple(way.measured(name, both, metric) for way, both in zip(self.ways, (z, (z[1], z[0])), strict=True))
        judged = [part.found.judged for part in parts if part.found is not None]
        recall = _mean_recall((judged[0], judged[1]), self.test, self.ways[1].test)
        figures = {self.metric: figure(self.metric, recall, items=judged[0].queries)}
        for way, part in zip(self.names, parts, strict=True):
            figures |= {f"{way} {what}": replace(f, name=f"{way} {what}") for what, f in part.figures.items()}
        return Measured(name, figures, parts[0].found, z, metric, parts=parts)

    def scores(self, measured: Measured) -> Scores:
        """Each query of the first direction with its document, and with another query's."""
        return self.ways[0].scores(measured)

    def picture(self, before: Measured, after: Measured) -> Map:
        """Items of both kinds, linked."""
        return self.ways[0].picture(before, after)

    def queries(self, before: Measured, after: Measured) -> tuple[QueryList, ...]:
        """Those of each direction that gained most and those still worst."""
        return tuple(
            replace(listed, title=f"{listed.title}, {name}")
            for i, (way, name) in enumerate(zip(self.ways, self.names, strict=True))
            for listed in way.queries(before.parts[i], after.parts[i])
        )


def _mean_recall(judged: tuple[Judged, Judged], test: Collection, other: Collection) -> Float[np.ndarray, " n"]:
    """Of each query the mean of its hit rates and of those of its documents; `other` is `test` swapped."""
    hits = [np.mean([hit_rate(side, k) for k in _DEPTHS], axis=0) for side in judged]
    of = dict(zip(other.answers.judged, hits[1].tolist(), strict=True))
    partners = [np.mean([of[d] for d in test.answers.relevant[q]]) for q in test.answers.judged]
    return np.asarray((hits[0] + partners) / 2)
