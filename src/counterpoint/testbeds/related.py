"""A few labelled texts of a task, and many of one that is like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from counterpoint.data.items import Data
from counterpoint.encoders import StaticEncoder
from counterpoint.pretraining import LeftOutWords
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.classifiers import own_logits
from counterpoint.testbeds.figures import labels, representation, tuned_probe
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.sorted_texts import _read, sections
from counterpoint.testbeds.texts import TABLE, table
from counterpoint.training import TrainConfig, train

_OWN, _RELATED, _TESTED, _GUESSES = 100, 4000, 1000, 300


def related_reviews(seed: int) -> Parts:
    """MR (Pang and Lee 2005): 100 sentences, for or against, and 4,000 that stand for another task; 1,000 for test.

    All are drawn by the seed. Column `related`: 1 of the other task.
    """
    return _reviews(seed, _OWN)


def known_reviews(seed: int) -> Parts:
    """The same with 4,000 more of the task itself: what could be reached."""
    return _reviews(seed, _OWN + _RELATED)


def _reviews(seed: int, own: int) -> Parts:
    every = _read("mr")
    drawn = torch.from_numpy(np.random.default_rng(seed).permutation(len(every)))
    test, other, task = drawn.split([_TESTED, _RELATED, len(drawn) - _TESTED - _RELATED])
    rows = torch.cat([task[:own], other])
    return _told(every[rows], torch.arange(len(rows)) >= own), every[test]


def related_sections(seed: int) -> Parts:
    """Descriptions of the two largest of `sections`, of which two in three stand for another task."""
    train, test = sections(seed)
    assert isinstance(test, Data)
    train, test = train[train.columns["label"] < 2], test[test.columns["label"] < 2]
    return _told(train, torch.arange(len(train)) % 3 > 0), test


def reading_table(data: Data, seed: int) -> StaticEncoder:
    """A table that has guessed words of the training texts from their neighbours, which no class is known of."""
    encoder = table(data, seed)
    encoder.normalize = False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        words = LeftOutWords(encoder, data.anchors.texts, window=5, power=0.75, threshold=1e-3)
        settings = TrainConfig(**TABLE, steps=_GUESSES, batch_size=256, dtype="float32", validations=1, seed=seed)
        train(words, words, words.objective(), settings)
    return encoder


def _told(data: Data, related: torch.Tensor) -> Data:
    return replace(data, columns={**data.columns, "related": related.long()})


def _accuracy(made: Made) -> float:
    assert isinstance(made.test, Data)
    said, wanted = own_logits(made, made.test), made.test.columns["label"]
    if said is not None:
        return float((said.argmax(1) == wanted).float().mean())
    own = made.train[made.train.columns["related"] == 0]
    told = tuned_probe(representation(made, own), labels(own), representation(made, made.test))
    return float((told == np.array(labels(made.test))).mean())


def _apart(made: Made) -> float:
    z = F.normalize(torch.from_numpy(representation(made, made.test)).float(), dim=1)
    label = made.test.columns["label"]
    cosine, one = z @ z.T, label[:, None] == label
    other = ~torch.eye(len(z), dtype=torch.bool)
    return float(cosine[one & other].mean() - cosine[~one].mean())


classes_apart = Figure("how much nearer texts of one class are than of two", _apart)
"""The mean cosine of two test texts of a class less that of two of different ones."""
accuracy_of_task = Figure("accuracy", _accuracy)
"""By a model's own classifier, else by a logistic probe of the task's own texts."""
REVIEWS = Testbed(
    "MR, few, and more like it",
    related_reviews,
    f"MR: {_OWN} sentences of reviews, for or against, and {_RELATED:,} that stand for a related task, drawn by the "
    f"seed; {_TESTED:,} others for test; a table of token vectors (20,000 x 256) after {_GUESSES} steps of guessing "
    "words from the five on either side in these sentences, then 80 steps of each stage",
    reading_table,
    steps=160,
    settings={"dtype": "float32", "clip": 0.0, "weight_decay": 0.0, "chunk_tokens": TABLE["chunk_tokens"]},
    raw=TF_IDF,
    figures=(accuracy_of_task,),
)
KNOWN_REVIEWS = replace(REVIEWS, name="MR, known", parts=known_reviews, about="the same with 4,000 more of the task")
"""What the classifier can learn of them."""
TWO_SECTIONS = replace(
    REVIEWS,
    name="two sections, few, and more like them",
    parts=related_sections,
    about="included corpus: 40 descriptions of two sections, and 80 that stand for a related task; as many for test; a "
    "random table of token vectors from scratch, 10 steps of each stage",
    start=table,
    steps=20,
)
"""What tests take."""
