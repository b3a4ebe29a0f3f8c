"""What a run on texts with several labels each is measured by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoint.data import all_labels
from counterpoint.encoders import Encoder
from counterpoint.evaluate import figure, indicators, knn_sets, multilabel_classification
from counterpoint.fitting.tasks import LabelTask, Measured, encoded
from counterpoint.report.content import Map, Scores


class LabelSetTask(LabelTask):
    """Texts with several labels: micro and macro F1 of the 10 nearest training texts, and of a probe for each label."""

    metric = "knn micro f1"

    def validate(self, encoder: Encoder) -> float:
        """kNN micro F1 on dev."""
        names = sorted({label for e in (*self.train.examples, *self.dev.examples) for label in all_labels(e)})
        y = [indicators([all_labels(e) for e in part.examples], names) for part in (self.train, self.dev)]
        train, dev = (encoded(encoder, part) for part in (self.train, self.dev))
        return figure("", knn_sets(train, y[0], dev), y[1], statistic="micro_f1", samples=0).value

    def measure(self, name: str, encoder: Encoder) -> Measured:
        """kNN and probe F1 on test."""
        train, test = (encoded(encoder, part) for part in (self.train, self.test))
        labels = [[all_labels(e) for e in part.examples] for part in (self.train, self.test)]
        found = multilabel_classification(train, labels[0], test, labels[1], source=self.test.source)
        figures = {key.replace("_", " "): replace(f, name=key.replace("_", " ")) for key, f in found.items()}
        return Measured(name, figures, z=(test,))

    def scores(self, measured: Measured) -> Scores:
        """Test texts that share a label, and texts that share none."""
        z = measured.z[0][:1000]
        some = [all_labels(e) for e in self.test.examples[:1000]]
        y = indicators(some, sorted({label for labels in some for label in labels})).astype(np.int32)
        cosine = z @ z.T
        upper = np.triu(np.ones(cosine.shape, dtype=bool), 1)
        share = y @ y.T > 0
        return Scores.count(cosine[upper & share], cosine[upper & ~share])

    def picture(self, before: Measured, after: Measured) -> Map:
        """Test texts by their labels."""
        chosen = super().picture(before, after)
        labels = tuple(", ".join(all_labels(e)) for e in self.test.examples[: len(chosen.texts)])
        return replace(chosen, labels=labels)
