"""Scored pairs: whether what people find alike is near."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoint.data.items import Data, Items
from counterpoint.evaluate import Figure, similarity, similarity_of, sts
from counterpoint.evaluate.bootstrap import SAMPLES
from counterpoint.report.content import Map, Scores, project_2d
from counterpoint.tasks.show import said, some_pictures
from counterpoint.tasks.task import Encodes, Measured, Task, anchors_of, comparable, counted

_MAPPED = 150


class Similar(Task):
    """Scored pairs: Spearman and Pearson correlation of the similarity with the score.

    Args:
        test: What the figures are of.
        dev: What training is validated by.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> class Letters:
        ...     def encode_items(self, items, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in items.texts], np.float32)
        >>> rows = [Example("a", ("a",), score=5.0), Example("a", ("ab",), score=3.0), Example("a", ("b",), score=0.0)]
        >>> task = Similar(rows_of(rows), rows_of(rows))
        >>> task.measure("letters", Letters()).figures["spearman"].value
        1.0
    """

    metric = "spearman"
    unit = "pairs"

    def __init__(self, test: Data, dev: Data) -> None:
        self.test, self.dev = test, dev

    def validate(self, encoder: Encodes) -> float:
        """Spearman on dev."""
        return self._correlations(encoder, self.dev, 0)[0]["spearman"].value

    def measure(self, name: str, encoder: Encodes) -> Measured:
        """Correlations on test."""
        figures, z = self._correlations(encoder, self.test, SAMPLES)
        return Measured(name, figures, z=z, similarity=similarity_of(encoder))

    def scores(self, measured: Measured) -> Scores:
        """Pairs scored in the upper and in the lower half of the scale."""
        gold = np.array(_gold(self.test))
        a, b = measured.z
        alike = similarity(a, b, measured.similarity)
        high = gold > (gold.max() + gold.min()) / 2
        return counted(alike[high], alike[~high], measured.similarity)

    def picture(self, before: Measured, after: Measured) -> Map:
        """First items and their partners, linked."""
        n = min(_MAPPED, len(self.test))
        maps = [project_2d(np.concatenate([m.z[0][:n], m.z[1][:n]])) for m in (before, after)]
        first, second = anchors_of(self.test), _partners(self.test)
        return Map(
            maps[0],
            maps[1],
            texts=(*(said(first, i) for i in range(n)), *(said(second, i) for i in range(n))),
            links=tuple((i, n + i) for i in range(n)),
            pictures=some_pictures((first, range(n)), (second, range(n))),
        )

    @staticmethod
    def _correlations(encoder: Encodes, data: Data, samples: int) -> tuple[dict[str, Figure], tuple[np.ndarray, ...]]:
        metric = similarity_of(encoder)
        z = [encoder.encode_items(side) for side in (anchors_of(data), _partners(data))]
        a, b = (comparable(side, metric) for side in z)
        result = sts(a, b, _gold(data), metrics=(metric,), samples=samples)
        figures = {name.removesuffix(f"_{metric}"): f for name, f in result.items()}
        return {name: replace(f, name=name) for name, f in figures.items()}, (a, b)


def _partners(data: Data) -> Items:
    assert data.others is not None and data.positives is not None  # noqa: PT018
    return data.others[data.positives[:, 0]]


def _gold(data: Data) -> list[float]:
    # the decimal number that was read, not what float32 has made of it
    return [float(str(score)) for score in data.columns["score"].float().numpy()]
