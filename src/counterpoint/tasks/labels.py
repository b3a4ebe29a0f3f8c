"""Labelled items: whether those of one label are together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.data.items import Data
from counterpoint.evaluate import figure, indicators, knn, knn_sets, multilabel_classification, probe
from counterpoint.report.content import Map, Scores, project_2d
from counterpoint.tasks.collection import labelled_rows
from counterpoint.tasks.floors import Raw
from counterpoint.tasks.show import said, some_pictures, unit
from counterpoint.tasks.task import Encodes, Measured, Task, anchors_of, encoded, normalised

_MAPPED = 450
_SCORED = 1000
_SEEN = 2000


class Labels(Task):
    """Labelled items: accuracy of the 10 nearest training items, and of a logistic probe.

    Neighbours are those of the highest cosine. The probe sees texts as vectors of length one, and anything else
    standardised (by the training items' mean and deviation, and divided by the root of the dimension, so that one
    penalty suits narrow vectors and wide ones), since vectors that were not made for the cosine may differ little by
    direction. Pictures have their pixels as a baseline.

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
        (self.train, self.test, self.dev), self.notes = self._rows(train, test, dev)
        step = 1 if train.anchors.modality == "text" else max(1, len(self.train) // _SEEN)
        self.seen = self.train[torch.arange(0, len(self.train), step)]
        self.unit = unit(train.anchors)

    def validate(self, encoder: Encodes) -> float:
        """kNN accuracy on dev; of other items than texts about 2,000 training items are searched, evenly chosen."""
        train, dev = (encoded(encoder, anchors_of(part)) for part in (self.seen, self.dev))
        return float((knn(train, _labels(self.seen), dev) == np.array(_labels(self.dev))).mean())

    def measure(self, name: str, encoder: Encodes) -> Measured:
        """kNN and probe accuracy on test."""
        vectors = [encoder.encode_items(anchors_of(part)) for part in (self.train, self.test)]
        train, test = map(normalised, vectors)
        fitted = (train, test) if self.train.anchors.modality == "text" else _standardised(*vectors)
        labels = _labels(self.train)
        said = {"knn accuracy": knn(train, labels, test), "probe accuracy": probe(fitted[0], labels, fitted[1])}
        right = np.array(_labels(self.test))
        return Measured(
            name, {what: figure(what, (each == right).astype(float)) for what, each in said.items()}, z=(test,)
        )

    def baselines(self, language: str = "auto") -> list[Measured]:
        """Of pictures their pixels."""
        del language
        return [self.measure("pixels", Raw())] if self.train.anchors.modality == "image" else []

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
        return Map(
            maps[0],
            maps[1],
            texts=tuple(said(items, i) for i in range(n)),
            labels=tuple(self._called(chosen)),
            pictures=some_pictures((items, range(n))),
        )

    @staticmethod
    def _rows(*parts: Data) -> tuple[list[Data], tuple[str, ...]]:
        """The rows that have labels, and what is to be said of those of the test that have none."""
        kept = [labelled_rows(part) for part in parts]
        return [data for data, _ in kept], kept[1][1]

    def _alike(self, data: Data) -> np.ndarray:
        labels = np.array(_labels(data))
        return np.asarray(labels[:, None] == labels[None])

    def _called(self, data: Data) -> list[str]:
        return _labels(data)


class LabelSets(Labels):
    """Items with several labels: micro and macro F1 of the 10 nearest training items, and of a probe for each label.

    Both are by vectors of length one.
    """

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

    @staticmethod
    def _rows(*parts: Data) -> tuple[list[Data], tuple[str, ...]]:
        """All: no label is a set of labels, too."""
        return list(parts), ()

    def _alike(self, data: Data) -> np.ndarray:
        """Whether two share a label."""
        y = data.columns["labels"].numpy().astype(np.int32)
        return np.asarray(y @ y.T > 0)

    def _called(self, data: Data) -> list[str]:
        return [", ".join(labels) for labels in _sets(data)]


def _labels(data: Data) -> list[str]:
    """The name of each row's label, which is its number where labels have no names."""
    return [data.classes[label] if data.classes else str(label) for label in data.columns["label"].tolist()]


def _standardised(
    train_nd: Float[np.ndarray, "n d"], test_md: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    mean_d, deviation_d = train_nd.mean(0), train_nd.std(0)
    # what is constant tells nothing, whatever it is in the test
    scale_d = np.where(deviation_d > 1e-6 * np.abs(train_nd).max(), deviation_d, np.inf) * train_nd.shape[1] ** 0.5
    return (train_nd - mean_d) / scale_d, (test_md - mean_d) / scale_d


def _sets(data: Data) -> list[tuple[str, ...]]:
    """The names of each row's labels."""
    return [tuple(data.classes[i] for i in np.flatnonzero(row)) for row in data.columns["labels"].numpy()]
