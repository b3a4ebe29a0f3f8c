"""Contrast sets of titles: held-out ones that differ from a title of the training by one word, beside all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from counterpoint.data import Contrast
from counterpoint.data.items import Data, Items
from counterpoint.evaluate import evaluate_contrasts
from counterpoint.evaluate.frozen import similarity
from counterpoint.negatives.edits import Groups, a_word_apart, by_the_rest, words_of
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import some_titles, titles
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.texts import RETRIEVAL, SMALL_TITLES, TITLES

_FEW = 120


def seen_titles(seed: int) -> Parts:
    """The included corpus with the test's titles among those of the training: an oracle's training part."""
    return _seen(), titles(seed)[1]


def few_edited_titles(seed: int) -> Parts:
    """240 titles of the included corpus, each a word apart from another; the test is that of `some_titles`."""
    return _few(), some_titles(seed)[1]


def edited(train: Data, test: Collection) -> dict[int, int]:
    """Queries that differ from a training anchor by one word, each with the first row of such an anchor.

    What differs in upper and lower case alone is no edit.

    Examples:
        >>> from counterpoint.data import Example, Retrieval
        >>> from counterpoint.data.rows import rows_of
        >>> train = rows_of([Example("who won in 1980", ("a",))])
        >>> asked = {"1": "who won in 1984", "2": "who lost then", "3": "Who won in 1980"}
        >>> qrels = {query: {"d": 1.0} for query in asked}
        >>> edited(train, Collection.of(Retrieval({"d": "b"}, asked, qrels, "memory")))
        {0: 0}
    """
    texts = train.anchors[train.anchor].texts
    groups = by_the_rest(texts)
    others = {query: _others(test.queries.texts[query], texts, groups) for query in test.answers.judged}
    return {query: min(rows) for query, rows in others.items() if rows}


def _others(text: str, texts: Sequence[str], groups: Groups) -> list[int]:
    """Rows a word apart, without copies."""
    rows = a_word_apart(text, groups, np.random.default_rng(0))
    return [row for row, _ in rows if words_of(texts[row]) != words_of(text)]


@cache
def found_of(*, contrast: bool) -> Figure:
    """`mrr@10` over the queries that are edited, or over the others."""

    def measure(made: Made) -> float:
        test = _collection(made)
        some = edited(made.train, test)
        asked = test.only([query for query in test.answers.judged if (query in some) == contrast])
        return found("mrr@10").of(replace(made, parts=(made.train, asked)))

    return Figure(f"mrr@10 of {'minimally edited' if contrast else 'other'} queries", measure)


def _both(made: Made) -> list[Contrast]:
    """Each edited query with its document, beside the training anchor that it differs from and its document."""
    test, train = _collection(made), made.train
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    anchors, documents = train.anchors[train.anchor].texts, train.others[train.positives[:, 0]].texts
    contrasts = []
    for query, row in edited(train, test).items():
        right = next(d for d, gain in test.answers.relevant[query].items() if gain > 0)
        texts = (anchors[row], test.queries.texts[query], documents[row], test.corpus.texts[right])
        contrasts.append(Contrast(*texts))
    return contrasts


def _consistent(made: Made) -> float:
    def score(queries: Sequence[str], documents: Sequence[str]) -> Float[np.ndarray, " n"]:
        q = made.encoder.encode_items(Items("text", queries), kind="query")
        return similarity(q, made.encoder.encode_items(Items("text", documents), kind="document"))

    return evaluate_contrasts(score, _both(made), samples=0)["pairwise accuracy"].value


consistent = Figure("contrast consistency", _consistent)
"""How often both find their own document of the two: a training title, and a held-out one that is a word apart."""


def _likeness(made: Made) -> float:
    contrasts = _both(made)
    sides = ([c.q1 for c in contrasts], [c.q2 for c in contrasts])
    a, b = (torch.from_numpy(made.encoder.encode_items(Items("text", side), kind="query")) for side in sides)
    return float(F.cosine_similarity(a.float(), b.float()).mean())


likeness_of_edits = Figure("cosine of queries a word apart", _likeness)
"""The mean over test queries and the training anchors that they differ from."""


def _collection(made: Made) -> Collection:
    assert isinstance(made.parts[1], Collection)
    return made.parts[1]


@cache
def _seen() -> Data:
    train, test = titles(0)
    assert isinstance(test, Collection)
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    queries, documents = list(train.anchors.texts), list(train.others.texts)
    right = [(q, d) for q in test.answers.judged for d, gain in test.answers.relevant[q].items() if gain > 0]
    more = torch.arange(len(right))
    return Data(
        Items("text", [*queries, *(test.queries.texts[q] for q, _ in right)]),
        torch.cat([train.anchor, len(queries) + more]),
        Items("text", [*documents, *(test.corpus.texts[d] for _, d in right)]),
        torch.cat([train.positives, len(documents) + more[:, None]]),
        source="included corpus, all of it",
    )


@cache
def _few() -> Data:
    data = titles(0)[0]
    texts = data.anchors[data.anchor].texts
    groups, kept = by_the_rest(texts), dict[int, None]()
    for row, text in enumerate(texts):
        others = _others(text, texts, groups)
        if others and not {row, others[0]} & kept.keys():
            kept |= {row: None, others[0]: None}
        if len(kept) == 2 * _FEW:
            break
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    rows = torch.tensor(list(kept))
    queries, documents = data.anchors[data.anchor[rows]], data.others[data.positives[rows, 0]]
    place = torch.arange(len(rows))
    return Data(queries, place, documents, place[:, None], source="included corpus, a few titles a word apart")


_BATCH = 256
"""Of fewer, the table stays as good as the words alone."""
EDITED_TITLES = replace(
    TITLES,
    name="titles, a word apart",
    about=f"{TITLES.about}, in batches of {_BATCH}; held-out titles that differ from a training title by one word, and "
    "the others, are measured apart",
    settings={**TITLES.settings, "batch_size": _BATCH},
    figures=(*RETRIEVAL, found_of(contrast=True), found_of(contrast=False), consistent),
)


SEEN_TITLES = replace(EDITED_TITLES, name="titles, all of them", parts=seen_titles)
"""With the test's titles among those of training: what the table can learn of them."""


FEW_EDITED_TITLES = replace(
    SMALL_TITLES,
    name="titles, a few a word apart",
    parts=few_edited_titles,
    about="included corpus: 240 titles with descriptions to train on, each a word apart from another, 1,500 held-out "
    "titles against 3,000 descriptions; a random table of token vectors (20,000 x 256) from scratch, 60 steps at a "
    "rate of 0.02",
)
