"""Topics of texts: news and descriptions, what a topic model says of them, and what its topics are worth."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from counterpoint.data.items import Data, Items
from counterpoint.encoders import StaticEncoder
from counterpoint.encoders.features import Kind
from counterpoint.objectives import TopicELBO
from counterpoint.testbeds.bed import Figure, Given, Made, Parts, Testbed
from counterpoint.testbeds.figures import labels, projection, representation, tuned_probe
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.sorted_texts import sections
from counterpoint.testbeds.texts import TABLE
from counterpoint.views.bags import bag, common_words, telling_words

TOPICS, WORDS = 20, 1000
_TOP, _DISTINCT = 10, 25


def news(seed: int) -> Parts:
    """BBC News (Greene and Cunningham 2006, as OCTIS has it): 1,556 articles of five classes, 335 for test.

    Words are lemmas, without stop words. The same for every seed.
    """
    del seed
    return _news("train"), _news("test")


@cache
def _news(part: str) -> Data:
    with gzip.open(find("topics/bbc_news.tsv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["split"] == part]
    names = sorted({row["label"] for row in rows})
    label = torch.tensor([names.index(row["label"]) for row in rows])
    texts = Items("text", [row["text"] for row in rows])
    return Data.alone(texts, source=f"BBC News {part}", classes=tuple(names), label=label)


def words_table(data: Data, seed: int) -> StaticEncoder:
    """An untrained table of 4,000 token vectors of 128 dimensions for the bed's texts."""
    return StaticEncoder.from_corpus(data.anchors.texts, vocab_size=4000, dim=128, seed=seed)


class Factors:
    """Topics as factors that are not negative (NMF) of tf-idf: what is good at it, and no neural topic model.

    Args:
        texts: To factor.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.decomposition import NMF

        self.words = common_words(texts, WORDS)
        counts = bag(texts, self.words).numpy()
        self.idf = np.log(len(texts) / np.maximum((counts > 0).sum(0), 1))
        self.model = NMF(TOPICS, init="nndsvd", max_iter=400, tol=1e-3).fit(self._weighed(counts))

    @property
    def topics(self) -> Float[np.ndarray, "t v"]:
        """The weight of each word in each topic."""
        found: np.ndarray = self.model.components_
        return found

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n t"]:
        """How much there is of each topic."""
        del kind
        found: np.ndarray = self.model.transform(self._weighed(bag(items.texts, self.words).numpy()))
        return found

    def _weighed(self, counts: Float[np.ndarray, "n v"]) -> Float[np.ndarray, "n v"]:
        weighed = counts * self.idf
        scaled: np.ndarray = weighed / np.maximum(np.linalg.norm(weighed, axis=1, keepdims=True), 1e-9)
        return scaled


def factors(parts: Parts) -> Factors:
    """Of the training part."""
    return Factors(parts[0].anchors.texts)


def topic_words(made: Made, top: int) -> list[list[str]]:
    """The words of most weight in each topic of a model."""
    words = common_words(made.train.anchors.texts, WORDS)
    if isinstance(made.encoder, Factors):
        weights = made.encoder.topics
    else:
        assert made.objective is not None
        (model,) = (part for part in made.objective.modules() if isinstance(part, TopicELBO))
        assert isinstance(model.decoder, torch.nn.Linear)
        weights = model.decoder.weight.detach().cpu().numpy().T
    return [[words[i] for i in np.argsort(-row[: len(words)], kind="stable")[:top]] for row in weights]


def _coherence(made: Made) -> float:
    texts = made.train.anchors.texts
    found = topic_words(made, _TOP)
    every = sorted({word for topic in found for word in topic})
    there = bag(texts, every).numpy() > 0
    place = {word: i for i, word in enumerate(every)}
    values = []
    for topic in found:
        for a, b in combinations([place[word] for word in topic], 2):
            both, first, second = (float(seen.mean()) for seen in (there[:, a] & there[:, b], there[:, a], there[:, b]))
            # two words that are in all texts, or in none together, are at the ends of its range
            values.append(-1.0 if both == 0 else 1.0 if both == 1 else np.log(both / (first * second)) / -np.log(both))
    return float(np.mean(values))


coherence = Figure("NPMI coherence of topics", _coherence)
"""The mean over topics and pairs of their 10 words of most weight, by the training texts that both are in.

Source: Bouma 2009, "Normalized (pointwise) mutual information in collocation extraction"; -1: never together.
"""


def _diversity(made: Made) -> float:
    words = [word for topic in topic_words(made, _DISTINCT) for word in topic]
    return len(set(words)) / len(words)


diversity = Figure("diversity of topics", _diversity)
"""The share of different words among the 25 of most weight of each topic (Dieng et al. 2020)."""


def proportions(made: Made, data: Data) -> Float[np.ndarray, "n t"]:
    """What a topic model says of each text; of what has no such head, its vectors."""
    z = projection(made, data)
    if z.ndim != 3:
        return representation(made, data)
    found: np.ndarray = torch.from_numpy(z[:, 1]).softmax(1).numpy()
    return found


def _told(made: Made) -> float:
    said = tuned_probe(proportions(made, made.train), labels(made.train), proportions(made, made.test))
    return float((said == np.array(labels(made.test))).mean())


topic_accuracy = Figure("probe accuracy of topic proportions", _told)


def _kept_apart(made: Made) -> float:
    some = telling_words()(replace(made.test[torch.arange(min(128, len(made.test)))], columns={}), made.head, made.seed)
    assert some.others is not None
    sides = (some, *(Data.alone(some.others[torch.arange(i, len(some.others), 2)]) for i in (0, 1)))
    mine, near, far = (F.normalize(torch.from_numpy(proportions(made, side)), dim=1) for side in sides)
    return float(((mine * near).sum(1) - (mine * far).sum(1)).mean())


kept_apart = Figure("how much likelier texts are to versions with their telling words", _kept_apart)
"""The mean difference of the cosines of topic proportions, of 128 test texts and both versions of each."""


NMF = Given("NMF", factors)

NEWS = Testbed(
    "BBC News",
    news,
    "BBC News: 1,556 articles of five classes as lemmas without stop words, 335 for test; a table of 4,000 token "
    f"vectors of 128 dimensions from scratch; {TOPICS} topics of {WORDS:,} words; 100 epochs of batches "
    "of 200 at a rate of 0.02",
    words_table,
    epochs=100,
    settings=TABLE | {"batch_size": 200},
    raw=TF_IDF,
    ceiling=NMF,
    figures=(coherence, diversity, topic_accuracy),
)
SECTION_TOPICS = Testbed(
    "sections, topics",
    sections,
    "included corpus: 60 descriptions each of 6 sections to train on, as many for test; a table of token vectors from "
    "scratch, 40 steps",
    words_table,
    steps=40,
    settings=TABLE,
    raw=TF_IDF,
    figures=(topic_accuracy,),
)
"""For what takes a second."""
