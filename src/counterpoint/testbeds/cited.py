"""Papers that cite papers, asked as SciDocs asks: whether what they cite is near, or cited with them, and fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int64

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import some_titles
from counterpoint.testbeds.figures import tuned_probe
from counterpoint.testbeds.files import arrays, find
from counterpoint.testbeds.texts import ABSTRACTS, SMALL_TITLES, TABLE

_TESTED, _FEW_TESTED, _TITLES = 500, 100, 1000
_RIGHT, _WRONG = 5, 25
"""Candidates of a test paper, as SciDocs has them."""
_RARE = 6
"""A word that links titles is in so many of them at most."""
CITE, COCITE = 0, 1


def papers(seed: int) -> Parts:
    """Cora (McCallum et al. 2000; Planetoid's form): 2,708 papers as the words they have, and 5,278 citations.

    500 papers, drawn by the seed, are for test; those of training are the citations among the others, each both ways.
    Words are numbers there, so papers read "w19 w81 ...".
    """
    return _divided(*_cora(), _TESTED, seed)


def seen_papers(seed: int) -> Parts:
    """The same with all citations to train on, those of the test, too: an oracle's training part."""
    texts, labels, edges_e2 = _cora()
    return _pairs(texts, labels, edges_e2), papers(seed)[1]


def linked_titles(seed: int) -> Parts:
    """1,000 titles of the included corpus as papers: two are linked where they share a rare word, and have a section.

    100 are for test, drawn by the seed.
    """
    return _divided(*_titled(), _FEW_TESTED, seed)


@cache
def average_precision(kind: int) -> Figure:
    """MAP of five papers that belong to a test paper among 25 that do not, by the cosine: `CITE` or `COCITE`.

    Where scores are equal what belongs comes last.
    """

    def measure(made: Made) -> float:
        return _map(made, kind)

    return Figure(f"MAP of {('citations', 'co-citations')[kind]}", measure)


def _map(made: Made, kind: int) -> float:
    test = made.test[made.test.columns["kind"] == kind]
    z_md = F.normalize(torch.from_numpy(made.encoder.encode_items(test.anchors)).double(), dim=1)
    assert test.positives is not None and test.negatives is not None  # noqa: PT018 - as they are made here
    found = []
    for query, right, wrong in zip(test.anchor.tolist(), test.positives, test.negatives, strict=True):
        right = right[right >= 0]
        s, t = z_md[right] @ z_md[query], z_md[wrong] @ z_md[query]
        better = torch.cat([(s[:, None] <= other).sum(1, keepdim=True) for other in (s, t)], 1)
        found.append(float((better[:, 0] / better.sum(1)).mean()))
    return float(np.mean(found))


def _told(made: Made) -> float:
    from sklearn.metrics import f1_score

    train, test = made.train, made.test[made.test.columns["kind"] == CITE]
    rows = torch.from_numpy(np.unique(train.anchor.numpy(), return_index=True)[1])
    x, y = (made.encoder.encode_items(part.anchors[part.anchor]) for part in (train[rows], test))
    known, wanted = (part.columns["label"].tolist() for part in (train[rows], test))
    said = tuned_probe(x, [str(label) for label in known], y)
    return float(f1_score([str(label) for label in wanted], said, average="macro"))


field_f1 = Figure("macro F1 of fields", _told)
"""Of a logistic probe on training papers; test papers are those that have citations."""


def _average(made: Made) -> float:
    return (_map(made, CITE) + _map(made, COCITE) + _told(made)) / 3


scidocs = Figure("average of MAP and F1", _average)
"""Of `average_precision` of citations and of co-citations, and of `field_f1`: three kinds of SciDocs's tasks."""


def _apart(made: Made) -> float:
    return _map(made, COCITE) - _map(made, CITE)


gap = Figure("MAP of co-citations less that of citations", _apart)
"""Whether what is two links away is as near as what is one away."""


def _divided(
    texts: Sequence[str], labels: Int64[np.ndarray, " n"], edges_e2: np.ndarray, tested: int, seed: int
) -> Parts:
    generator, n = np.random.default_rng(seed), len(texts)
    held = np.zeros(n, dtype=bool)
    held[generator.permutation(n)[:tested]] = True
    train = _pairs(texts, labels, edges_e2[~held[edges_e2].any(1)])
    cited = [set[int]() for _ in range(n)]
    for a, b in edges_e2.tolist():
        cited[a].add(b)
        cited[b].add(a)
    rows: list[tuple[int, list[int], list[int], int]] = []
    for query in np.flatnonzero(held).tolist():
        beyond = {c for b in cited[query] for c in cited[b]} - cited[query] - {query}
        strange = [i for i in generator.permutation(n).tolist() if i not in cited[query] | beyond | {query}][:_WRONG]
        for kind, right in ((CITE, cited[query]), (COCITE, beyond)):
            some = generator.permutation(sorted(right))[:_RIGHT].tolist()
            if some:
                rows.append((query, some + [-1] * (_RIGHT - len(some)), strange, kind))
    asked, positives, negatives, kinds = (torch.tensor(column) for column in zip(*rows, strict=True))
    items = Items("text", list(texts))
    columns = {"kind": kinds, "label": torch.from_numpy(labels)[asked]}
    return train, Data(items, asked, items, positives, negatives, columns)


def _pairs(texts: Sequence[str], labels: Int64[np.ndarray, " n"], edges_e2: np.ndarray) -> Data:
    both = torch.from_numpy(np.concatenate([edges_e2, edges_e2[:, ::-1]]))
    items, (anchor, positive) = Items("text", list(texts)), both.unbind(1)
    columns = {"label": torch.from_numpy(labels)[anchor]}
    return Data(items, anchor, items, positive[:, None], columns=columns, source="papers")


@cache
def _cora() -> tuple[list[str], np.ndarray, np.ndarray]:
    names = ("feature_row", "feature_col", "label", "edges")
    row, column, label, edges_e2 = arrays(find("graph/cora.npz"), names)
    words: list[list[str]] = [[] for _ in label]
    for paper, word in zip(row.tolist(), column.tolist(), strict=True):
        words[paper].append(f"w{word}")
    return [" ".join(some) for some in words], label.astype(np.int64), edges_e2.astype(np.int64)


@cache
def _titled() -> tuple[list[str], np.ndarray, np.ndarray]:
    train, corpus = some_titles(0)[0], debian()
    titles = list(train.anchors.texts[:_TITLES])
    section = {e.anchor: corpus.sections[e.line - 1] for e in corpus.train.examples}
    names = sorted({section[title] for title in titles})
    having: dict[str, list[int]] = {}
    for i, title in enumerate(titles):
        for word in sorted(set(title.lower().split())):
            having.setdefault(word, []).append(i)
    edges = {(a, b) for some in having.values() if len(some) <= _RARE for a in some for b in some if a < b}
    return titles, np.array([names.index(section[title]) for title in titles]), np.array(sorted(edges))


CITED = replace(
    ABSTRACTS,
    name="Cora, citations",
    parts=papers,
    about=f"Cora: 2,708 papers of machine learning, each a set of words, of which {_TESTED} are for test, and the "
    "citations among the others to train on; a random table of token vectors (20,000 x 256) from scratch, 200 steps of "
    "256 at a rate of 0.02",
    settings={**TABLE, "batch_size": 256},
    figures=(average_precision(CITE), average_precision(COCITE), field_f1, scidocs),
)
ALL_CITED = replace(CITED, name="Cora, all citations", parts=seen_papers, steps=600)
"""With the citations of the test papers, too, and three times the steps: what the table can learn there."""
LINKED_TITLES = replace(
    SMALL_TITLES,
    name="titles, linked",
    parts=linked_titles,
    about=f"included corpus: {_TITLES:,} titles, linked where they share a word that at most {_RARE} of them have, of "
    f"which {_FEW_TESTED} are for test; a random table of token vectors (20,000 x 256) from scratch, 60 steps at a "
    "rate of 0.02",
    figures=(scidocs,),
)
