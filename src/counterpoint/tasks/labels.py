"""Labelled items: whether those of one label are together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from counterpoint.data.items import Data
from counterpoint.evaluate import figure, indicators, knn, knn_sets, multilabel_classification, probe
from counterpoint.report.content import Map, Scores, project_2d
from counterpoint.tasks.show import said
from counterpoint.tasks.task import Encodes, Measured, Task, anchors_of, encoded

_MAPPED = 450
_SCORED = 1000
_UNITS = {"text": "texts", "image": "pictures"}


class Labels(Task):
    """Labelled items: accuracy of the 10 nearest training items, and of a logistic probe.

    Both are by vectors of length one, neighbours by their cosine.

    Args:
        train: What neighbours are taken from and the probe is fitted on.
        test: What the figures are of.
        dev: What training is validated by.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> class Letters:
        ...     def encode_items(self, items, *, kind=None):
        ...         return np.array([[text.count(letter) for letter in "abc"] for text in items.texts], np.float32)
        >>> rows = rows_of([Example("a", label="x"), Example("aa", label="x"), Example("c", label="y")])
        >>> round(Labels(rows, rows, rows).measure("letters", Letters()).figures["knn accuracy"].value, 3)
        0.667
    """

    metric = "knn accuracy"

    def __init__(self, train: Data, test: Data, dev: Data) -> None:
        self.train, self.test, self.dev = train, test, dev
        self.unit = _UNITS.get(train.anchors.modality, "items")

    def validate(self, encoder: Encodes) -> float:
        """kNN accuracy on dev."""
        return float(self._nearest(encoder, self.dev)[0].mean())

    def measure(self, name: str, encoder: Encodes) -> Measured:
        """kNN and probe accuracy on test."""
        hits, train, test = self._nearest(encoder, self.test)
        labels = [_labels(part) for part in (self.train, self.test)]
        predicted = probe(train, labels[0], test)
        right = np.array([a == b for a, b in zip(predicted, labels[1], strict=True)], dtype=float)
        figures = {"knn accuracy": figure("knn accuracy", hits), "probe accuracy": figure("probe accuracy", right)}
        return Measured(name, figures, z=(test,))

    def scores(self, measured: Measured) -> Scores:
        """Test items of the same label, and of different ones."""
        (z,) = measured.z
        z = z[:_SCORED]
        same = self._alike(self.test[torch.arange(len(z))])
        cosine = z @ z.T
        upper = np.triu(np.ones(cosine.shape, dtype=bool), 1)
        return Scores.count(cosine[upper & same], cosine[upper & ~same])

    def picture(self, before: Measured, after: Measured) -> Map:
        """Test items by label."""
        n = min(_MAPPED, len(self.test))
        chosen = self.test[torch.arange(n)]
        items = anchors_of(chosen)
        maps = [project_2d(m.z[0][:n]) for m in (before, after)]
        return Map(maps[0], maps[1], texts=tuple(said(items, i) for i in range(n)), labels=tuple(self._called(chosen)))

    def _nearest(self, encoder: Encodes, part: Data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        train, test = (encoded(encoder, anchors_of(p)) for p in (self.train, part))
        predicted = knn(train, _labels(self.train), test)
        right = [a == b for a, b in zip(predicted, _labels(part), strict=True)]
        return np.array(right, dtype=float), train, test

    def _alike(self, data: Data) -> np.ndarray:
        labels = np.array(_labels(data))
        return np.asarray(labels[:, None] == labels[None])

    def _called(self, data: Data) -> list[str]:
        return _labels(data)


class LabelSets(Labels):
    """Items with several labels: micro and macro F1 of the 10 nearest training items, and of a probe for each label."""

    metric = "knn micro f1"

    def validate(self, encoder: Encodes) -> float:
        """kNN micro F1 on dev."""
        names = sorted({label for part in (self.train, self.dev) for labels in _sets(part) for label in labels})
        y = [indicators(_sets(part), names) for part in (self.train, self.dev)]
        train, dev = (encoded(encoder, anchors_of(part)) for part in (self.train, self.dev))
        return figure("", knn_sets(train, y[0], dev), y[1], statistic="micro_f1", samples=0).value

    def measure(self, name: str, encoder: Encodes) -> Measured:
        """kNN and probe F1 on test."""
        train, test = (encoded(encoder, anchors_of(part)) for part in (self.train, self.test))
        found = multilabel_classification(train, _sets(self.train), test, _sets(self.test), source=self.test.source)
        figures = {key.replace("_", " "): replace(f, name=key.replace("_", " ")) for key, f in found.items()}
        return Measured(name, figures, z=(test,))

    def _alike(self, data: Data) -> np.ndarray:
        """Whether two share a label."""
        y = data.columns["labels"].numpy().astype(np.int32)
        return np.asarray(y @ y.T > 0)

    def _called(self, data: Data) -> list[str]:
        return [", ".join(labels) for labels in _sets(data)]


def _labels(data: Data) -> list[str]:
    """The name of each row's label; "" where it has none."""
    names = [*data.classes, ""] if data.classes else None
    return [str(label) if names is None else names[label] for label in data.columns["label"].tolist()]


def _sets(data: Data) -> list[tuple[str, ...]]:
    """The names of each row's labels."""
    return [tuple(data.classes[i] for i in np.flatnonzero(row)) for row in data.columns["labels"].numpy()]
