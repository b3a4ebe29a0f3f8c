"""Pairs of several domains, each text of which says its own, and tests that ask within each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int64

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.captioned import five_captions
from counterpoint.testbeds.corpora import abstracts, definitions, like_pairs, some_titles
from counterpoint.testbeds.texts import LIKENESS, QUICK_BERT, SENTENCES, SMOLLM2

_TRAINED, _TESTED, _WORDS = 750, 250, 32
"""Pairs of each domain; words of the second text of each."""
_FEW, _FEW_TESTED = 100, 50


def domains(seed: int) -> Parts:
    """750 pairs of each of four domains, drawn by the seed, and 250 of each for test with as many that are none.

    Titles with abstracts (SciFact), words with glosses (WordNet), titles with descriptions (the included corpus) and
    two captions of a picture (Multi30k). A text is its domain, a tab and itself. Column `domain`, and in the test
    `score`: 1 for a pair; 0 for the first text of one with the second of that whose first is most like it by tf-idf.
    """
    found = {
        "science": _pairs(abstracts(seed)[0]),
        "words": [(word, gloss) for gloss, word in _pairs(definitions(seed)[0])],
        "packages": _pairs(some_titles(seed)[0]),
        "pictures": [(first, second) for first, second, *_ in five_captions()],
    }
    return _divided(found, _TRAINED, _TESTED, seed)


def seen_domains(seed: int) -> Parts:
    """The same with the test's pairs among those of training: an oracle's."""
    train, test = domains(seed)
    assert isinstance(test, Data)
    right = test[test.columns["score"] == 1]
    joined = [Example(a, (b,)) for part in (train, right) for a, b in zip(*_sides(part), strict=True)]
    column = torch.cat([train.columns["domain"], right.columns["domain"]])
    return replace(rows_of(joined, "pairs of domains"), columns={"domain": column}), test


def two_domains(seed: int) -> Parts:
    """Of the included corpus: titles with descriptions, and with those turned round, as if of two domains."""
    pairs = _pairs(like_pairs(seed)[0])
    half = len(pairs) // 2
    turned = [(" ".join(reversed(a.split())), b) for a, b in pairs[half:]]
    return _divided({"packages": pairs[:half], "turned": turned}, _FEW, _FEW_TESTED, seed)


def _sides(data: Data) -> tuple[list[str], list[str]]:
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    return list(data.anchors[data.anchor].texts), list(data.others[data.positives[:, 0]].texts)


def _pairs(data: Data) -> list[tuple[str, str]]:
    return [(a, " ".join(b.split()[:_WORDS])) for a, b in zip(*_sides(data), strict=True)]


def _divided(found: dict[str, list[tuple[str, str]]], trained: int, tested: int, seed: int) -> Parts:
    generator = np.random.default_rng(seed)
    train, test, domain = list[Example](), list[Example](), list[int]()
    for i, (name, pairs) in enumerate(found.items()):
        said = [(f"{name}\t{a}", f"{name}\t{b}") for a, b in pairs]
        train_k, test_k = np.split(generator.permutation(len(said))[: trained + tested], [trained])
        train += [Example(said[j][0], (said[j][1],)) for j in train_k]
        for j, other in zip(test_k, test_k[_most_like([pairs[j][0] for j in test_k])], strict=True):
            test += [Example(said[j][0], (said[k][1],), score=float(k == j)) for k in (j, other)]
        domain += [i] * 2 * tested
    rows = rows_of(test, "pairs of domains")
    column = torch.arange(len(found)).repeat_interleave(trained)
    return (
        replace(rows_of(train, "pairs of domains"), columns={"domain": column}),
        replace(rows, columns={**rows.columns, "domain": torch.tensor(domain)}),
    )


def _most_like(texts: list[str]) -> Int64[np.ndarray, " n"]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    x_nv = TfidfVectorizer().fit_transform(texts)
    s_nn = (x_nv @ x_nv.T).toarray()
    np.fill_diagonal(s_nn, -1.0)
    nearest: Int64[np.ndarray, " n"] = s_nn.argmax(1)
    return nearest


def _told(made: Made) -> float:
    from sklearn.metrics import precision_recall_curve

    data = made.test
    sides = (Items("text", side) for side in _sides(data))
    a, b = (F.normalize(torch.from_numpy(made.encoder.encode_items(side)).float(), dim=1) for side in sides)
    s, found = (a * b).sum(1).numpy(), []
    for k in data.columns["domain"].unique():
        own = (data.columns["domain"] == k).numpy()
        precision, recall, _ = precision_recall_curve(data.columns["score"].numpy()[own], s[own])
        found.append(float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))))
    return float(np.mean(found))


pair_f1 = Figure("F1 of pairs, the mean of all domains", _told)
"""Each domain's at the cosine from which on a pair is called one that is best there, of pairs and of as many others."""

DOMAINS = replace(
    SENTENCES,
    name="pairs of four domains",
    parts=domains,
    about=f"{_TRAINED} pairs to train on of each of SciFact's titles and abstracts, WordNet's words and glosses, the "
    "included corpus' titles and descriptions, and two captions of Multi30k's pictures, and for test "
    f"{_TESTED} of each with as many that are none; {SMOLLM2}, then 300 steps of 64 at a rate of 5e-4",
    steps=300,
    figures=(pair_f1,),
)
ALL_DOMAINS = replace(
    DOMAINS,
    name="pairs of four domains, seen",
    parts=seen_domains,
    about="the same with the test's pairs among those of training, and 600 steps",
    steps=600,
)
"""With the pairs of the test among those of training: what the model can learn of them."""
LIKE_DOMAINS = replace(
    LIKENESS,
    name="titles, as of two domains",
    parts=two_domains,
    about=f"included corpus: {_FEW} titles with their descriptions to train on, and as many with words turned "
    f"round as if of another domain; {_FEW_TESTED} of each for test; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
    figures=(pair_f1,),
)
"""What tests take."""
