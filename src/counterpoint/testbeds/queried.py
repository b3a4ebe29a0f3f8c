"""Titles that find their description, where descriptions are followed by what else they may be called."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F

from counterpoint.data.items import Items
from counterpoint.encoders.propositions import SEPARATOR, marked
from counterpoint.generating import Generator, Rules, with_queries
from counterpoint.search.exact import ScoreRows
from counterpoint.tasks import Collection, Encodes
from counterpoint.testbeds.adapted import seen_titles
from counterpoint.testbeds.bed import Figure, Given, Made, Parts
from counterpoint.testbeds.corpora import some_titles
from counterpoint.testbeds.lexical import TfIdf
from counterpoint.testbeds.mined import PAIRED
from counterpoint.testbeds.texts import QUICK_BERT, SMOLLM2, quick_bert
from counterpoint.views.bags import words_of

WRITTEN, WORDS = 10, 4
"""Titles written of a description; words of each, at most."""
_FEW, _ASKED = 512, 100
"""Of what tests take: titles to train on, and for test."""
_PRIOR, _STRENGTH = 0.1, 5.0
"""Of a word that no description had: how likely it is in the title; how many descriptions that counts for."""


@cache
def writer() -> Generator:
    """Writes titles from words of a description, as those of the training part are: a model that copies.

    Four words are drawn, each the more likely the more titles had it of those whose descriptions had it, and stand in
    the description's order.
    """
    train, _ = some_titles(0)
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    there, said = Counter[str](), Counter[str]()
    titles, texts = train.anchors[train.anchor].texts, train.others[train.positives[:, 0]].texts
    for title, text in zip(titles, texts, strict=True):
        words = {*words_of(text)}
        there.update(words)
        said.update(words & {*words_of(title)})

    def write(prompt: str, draw: random.Random) -> str:
        words = list(dict.fromkeys(words_of(prompt.rpartition("\n")[2])))
        chance = [(said[word] + _PRIOR * _STRENGTH) / (there[word] + _STRENGTH) for word in words]
        # the greatest of u^(1 / w) are a draw by weights w without replacement
        keys = [draw.random() ** (1 / one) for one in chance]
        kept = sorted(sorted(range(len(words)), key=keys.__getitem__)[-WORDS:])
        return " ".join(words[i] for i in kept)

    return Generator(Rules(write, name="words of titles"))


def queried(seed: int) -> Parts:
    """4,000 titles with descriptions to train on; 1,500 held-out titles against their 1,500 descriptions.

    Each of these is followed by ten titles that were written of it, the same for every seed.
    """
    return some_titles(seed)[0], _queried()


def seen_queried(seed: int) -> Parts:
    """The same with the held-out titles among those of training."""
    return seen_titles(seed)[0], _queried()


def few_queried(seed: int) -> Parts:
    """512 titles to train on; 100 held-out titles against their descriptions, each with ten titles."""
    return some_titles(seed)[0][torch.arange(_FEW)], _few()


@cache
def _queried() -> Collection:
    return _written(_held().among(1))


@cache
def _few() -> Collection:
    return _written(_held().asking(_ASKED).among(1))


def _held() -> Collection:
    test = some_titles(0)[1]
    assert isinstance(test, Collection)
    return test


def _written(test: Collection) -> Collection:
    return replace(test, corpus=replace(test.corpus, values=with_queries(test.corpus.texts, writer(), queries=WRITTEN)))


class Alone(TfIdf):
    """Tf-idf of descriptions without what follows them.

    Examples:
        >>> asked, found = Items("text", ["dog"]), Items("text", ["it barks\\ta dog"])
        >>> [rows] = Alone(["a dog", "it barks"]).score_rows(asked, found)
        >>> rows.scores_bm.tolist()
        [[0.0]]
    """

    def score_rows(self, queries: Items, documents: Items) -> Iterator[ScoreRows]:
        """See `TfIdf`."""
        return super().score_rows(queries, replace(documents, values=_alone(documents)))


def _alone(items: Items) -> list[str]:
    return [text.partition(SEPARATOR)[0] for text in items.texts]


def _words(parts: Parts) -> Encodes:
    """The idf of the training texts."""
    train = parts[0]
    assert train.others is not None  # pairs
    return Alone([*train.anchors.texts, *train.others.texts])


def _told(made: Made) -> float:
    test = made.parts[1]
    assert isinstance(test, Collection)
    asked = test.answers.judged[:512]
    own = torch.tensor([next(d for d, gain in test.answers.relevant[q].items() if gain > 0) for q in asked])
    queries, documents = test.queries[torch.tensor(asked)], test.corpus[own]
    z = F.normalize(torch.from_numpy(made.encoder.encode_items(queries, kind="query")).float(), dim=1)
    scores = []
    # each with its own description, and with that of the query before it
    for texts in (plain := _alone(documents), plain[-1:] + plain[:-1]):
        read = [marked(text, [query]) for text, query in zip(texts, queries.texts, strict=True)]
        d = torch.from_numpy(made.encoder.encode_items(Items("text", read), kind="document")).float()
        scores.append((z * F.normalize(d, dim=1)).sum(1))
    return float((scores[0] > scores[1]).float().mean())


told_behind = Figure("descriptions that are told from others behind the same title", _told)
"""The share of 512 test titles that are nearer to their own description than to another's, both read after the title.

One half where nothing but the title is read.
"""

_ABOUT = (
    "included corpus: 4,000 titles with descriptions to train on, 1,500 held-out titles against their 1,500 "
    f"descriptions, each followed by {WRITTEN} titles written of it; "
)
QUERIED = replace(
    PAIRED,
    name="titles, descriptions with titles written of them",
    parts=queried,
    about=f"{_ABOUT}{SMOLLM2}, then 100 steps of 16 at a rate of 5e-4",
    steps=100,
    settings={**PAIRED.settings, "batch_size": 16},
    raw=Given("tf-idf of the description", _words),
)
SEEN_QUERIED = replace(QUERIED, name="the same, seen", parts=seen_queried, steps=200)
"""With the held-out titles among those of training, twice the steps."""
FEW_QUERIED = replace(
    QUERIED,
    name="titles, few, descriptions with titles written of them",
    parts=few_queried,
    about=f"included corpus: {_FEW} titles with descriptions to train on, {_ASKED} held-out titles against their "
    f"descriptions, each followed by {WRITTEN} titles written of it; {QUICK_BERT}, then 40 steps of 16 at a rate of "
    "2e-3",
    start=quick_bert,
    steps=40,
    settings={**QUERIED.settings, "learning_rate": 2e-3},
)
