"""From data to the task that fits them."""

from __future__ import annotations

from collections.abc import Sequence

from counterpoint.data.items import Data
from counterpoint.data.passages import of_several_sentences
from counterpoint.encoders import StaticEncoder
from counterpoint.tasks.both_ways import BothWays
from counterpoint.tasks.collection import Collection, halves, links, pairs, sentences, views
from counterpoint.tasks.find import LINKS, Find
from counterpoint.tasks.floors import Frequent, Raw
from counterpoint.tasks.labels import Labels, LabelSets
from counterpoint.tasks.similar import Similar
from counterpoint.tasks.task import Encodes, Task

_MANY, _FEW = 10_000, 2_000


def task_for(
    train: Data, dev: Data | Collection, test: Data | Collection, encoder: Encodes, known: Sequence[Data] = ()
) -> Task:
    """The task that fits the data, by their schema and modalities.

    | data | task |
    |---|---|
    | scored pairs | `Similar` |
    | labelled items, or items with sets of labels | `Labels`, `LabelSets` |
    | texts, at least half of several sentences | `Find`: a sentence should find the rest, among all texts |
    | other texts alone | `Find`: one half of a text's words should find the other |
    | other items alone | `Find`: one view of a picture should find another |
    | pairs and tuples of one modality | `Find`: MRR@10, among all documents of the training data, too |
    | (head, relation) and tail | `Find`: MRR and hit@K, filtered |
    | pairs of two modalities | `BothWays` |

    Args:
        train: What is trained on.
        dev: What to validate by.
        test: What to measure on: data of the same schema, or a collection of its own.
        encoder: Of the kind that is measured; where encoding is slow, dev is searched among fewer documents.
        known: Further triples that are right; those of `train` and `dev` are known.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> rows = rows_of([Example("a", ("b",)), Example("c", ("d",))])
        >>> task = task_for(rows, rows, rows, StaticEncoder.from_corpus(["a b", "c d"], dim=2))
        >>> type(task).__name__, task.metric
        ('Find', 'mrr@10')
    """
    if isinstance(test, Data):
        if test.schema == "scored":
            return Similar(test, _rows(dev))
        if test.schema == "labelled":
            return (LabelSets if "labels" in train.columns else Labels)(train, test, _rows(dev))
    if isinstance(test, Data) and test.others is not None:
        if test.others.modality == "entity":
            validating = links(_rows(dev), train, *known).asking(_FEW).among(_FEW)
            asked = links(test, train, _rows(dev), *known)
            return Find(asked, validating, metrics=LINKS, floors={"frequent tails": Frequent(train)})
        if test.anchors.modality != test.others.modality:
            return BothWays(pairs(test), pairs(_rows(dev)))
    test, dev = (part if isinstance(part, Collection) else _collection(part, train) for part in (test, dev))
    fewer = dev.among(_MANY if isinstance(encoder, StaticEncoder) else _FEW)
    pictures = test.queries.modality == test.corpus.modality == "image"
    return Find(test, fewer, floors={"pixels": Raw()} if pictures else {})


def _collection(part: Data, train: Data) -> Collection:
    if part.others is not None:
        return pairs(part, train)
    if part.anchors.modality != "text":
        return views(part)
    # what is trained on says it, so that dev and test are asked alike
    own, trained = (data.anchors[data.anchor].texts for data in (part, train))
    long = 2 * of_several_sentences(trained) >= len(trained) and of_several_sentences(own)
    return sentences(part, train) if long else pairs(halves(part))


def _rows(data: Data | Collection) -> Data:
    assert isinstance(data, Data)  # as the test is
    return data
