"""Collections of texts, each with a training and a test part: packages, claims, questions, sentences."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from counterpoint.data import DebianCorpus, Example, Retrieval, TextData, debian, read
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import judged_rows, rows_of
from counterpoint.tasks import Collection
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.files import find


def titles(seed: int) -> Parts:
    """The included corpus: titles and descriptions of packages; 1,500 titles are held out, among 39,000 descriptions.

    The parts are the same for every seed, which the start and the order of the batches follow.
    """
    del seed
    return _titles()


def some_titles(seed: int) -> Parts:
    """The same with 4,000 training titles and 3,000 descriptions, for what takes seconds."""
    del seed
    return _some(), _among(1500)


def noisy_titles(seed: int, share: float = 0.5) -> Parts:
    """The same with a share of the training descriptions at wrong titles, drawn by the seed; the test is clean.

    Column `right`: 1 where a title has its own description.
    """
    train, test = _titles()
    return shuffled(train, share, seed), test


def some_noisy_titles(seed: int) -> Parts:
    """The same of 4,000 training titles and 3,000 descriptions."""
    train, test = some_titles(seed)
    return shuffled(train, 0.5, seed), test


def scifact(seed: int) -> Parts:
    """SciFact (Wadden et al. 2020): claims and the abstracts that are evidence for or against them, among 5,183.

    807 claims to train on, 300 for test; the same for every seed.
    """
    del seed
    return _scifact()


def seen_scifact(seed: int) -> Parts:
    """The same with all claims to train on, those of the test, too: an oracle's training part."""
    del seed
    return _seen(), _scifact()[1]


def abstracts(seed: int) -> Parts:
    """Titles and abstracts of SciFact's documents as weak pairs, without any claim; the test is that of `scifact`."""
    del seed
    return _abstracts(), _scifact()[1]


def sentences(seed: int) -> Parts:
    """Sentences of SNLI and of STS-B's training part, without what is said of them; the test is STS-B's.

    So many are drawn by the seed, in its order.
    """
    whole = whole_sentences()
    order = np.random.default_rng(seed).permutation(len(whole))
    return Data.alone(Items("text", [whole[i] for i in order]), source="SNLI and STS-B"), _similar("test")


def inferences(seed: int) -> Parts:
    """SNLI (Bowman et al. 2015): premises, each with an entailed hypothesis and a contradicting one; STS-B for test.

    A premise with two of a kind makes two rows. The same for every seed.
    """
    del seed
    return _inferences(), _similar("test")


def scored_sentences(seed: int) -> Parts:
    """STS-B (Cer et al. 2017) with its judgements for training, too; the same for every seed."""
    del seed
    return _similar("train"), _similar("test")


def verdicts(seed: int) -> Parts:
    """SNLI's pairs of premise and hypothesis, labelled contradiction, entailment or neutral (0 to 2); STS-B for test.

    The same for every seed.
    """
    del seed
    return _verdicts(), _similar("test")


def definitions(seed: int) -> Parts:
    """WordNet's 40,943 meanings of WN18RR, each gloss with a word for it; STS-B for test. The same for every seed."""
    del seed
    return _definitions(), _similar("test")


def abstracts_alone(seed: int) -> Parts:
    """SciFact's abstracts, without titles or claims, to train on; the test is STS-B's. The same for every seed."""
    del seed
    train = _abstracts()
    assert train.others is not None
    return Data.alone(train.others, source=train.source), _similar("test")


def likeness(seed: int) -> Parts:
    """The included corpus without outside data: descriptions to train on, and pairs of which it is known how alike.

    Of the held-out packages a title with its own description (2), with one of the same section (1) and with one of
    another section (0).
    """
    corpus = _corpus()
    generator = np.random.default_rng(seed)
    some = generator.permutation(len(corpus.train.examples))[:2000]
    texts = [corpus.train.examples[i].positives[0] for i in some]
    section = dict(zip(corpus.packages, corpus.sections, strict=True))
    names = [next(iter(gains)) for gains in corpus.heldout.qrels.values()]
    title = dict(zip(names, corpus.heldout.queries.values(), strict=True))
    scored = []
    for name in generator.permutation(names)[:300].tolist():
        same = [other for other in names if section[other] == section[name] and other != name]
        apart = [other for other in names if section[other] != section[name]]
        chosen = [
            (name, 2.0),
            *((generator.choice(side), score) for side, score in ((same, 1.0), (apart, 0.0)) if side),
        ]
        scored += [Example(title[name], (corpus.heldout.corpus[str(o)],), score=score) for o, score in chosen]
    return Data.alone(Items("text", texts), source="included corpus"), rows_of(scored, "included corpus")


def related(seed: int) -> Parts:
    """The pairs of `likeness`, half of the titles to train on, labelled 0 to 2 by how alike they are, half for test."""
    scored = likeness(seed)[1]
    assert isinstance(scored, Data)
    train = scored.anchor >= len(scored.anchors) // 2
    labelled = {"label": scored.columns["score"][train].long()}
    return replace(scored[train], columns=labelled), scored[~train]


def like_pairs(seed: int) -> Parts:
    """The same with titles beside their descriptions to train on."""
    train, test = likeness(seed)
    assert isinstance(train, Data)
    title = {e.positives[0]: e.anchor for e in _corpus().train.examples}
    pairs = [Example(title[text], (text,)) for text in train.anchors.texts]
    return rows_of(pairs, "included corpus"), test


def title_words(seed: int) -> Parts:
    """The same descriptions, each with the longest word of its title."""
    train, test = like_pairs(seed)
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    titles, texts = train.anchors[train.anchor].texts, train.others[train.positives[:, 0]].texts
    words = (max(re.findall(r"\w+", title), key=len, default="") for title in titles)
    return rows_of([Example(text, (word,)) for text, word in zip(texts, words, strict=True)], train.source), test


def shuffled(data: Data, share: float, seed: int) -> Data:
    """Pairs of which a share has lost its partner to another, in a round: noise with a known answer, column `right`.

    Examples:
        >>> pairs = rows_of([Example(a, (a.upper(),)) for a in "abcd"])
        >>> noisy = shuffled(pairs, 0.5, 0)
        >>> int(noisy.columns["right"].sum()), (noisy.positives[:, 0] == pairs.positives[:, 0]).sum().item()
        (2, 2)
    """
    assert data.positives is not None
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(data), generator=generator)[: round(share * len(data))]
    positives, right = data.positives.clone(), torch.ones(len(data))
    if len(chosen) > 1:
        positives[chosen], right[chosen] = data.positives[chosen.roll(-1)], 0.0
    return replace(data, positives=positives, columns={**data.columns, "right": right})


@cache
def _corpus() -> DebianCorpus:
    return debian()


@cache
def _titles() -> Parts:
    corpus = _corpus()
    return rows_of(corpus.train.examples, "included corpus"), Collection.of(corpus.heldout)


@cache
def _some() -> Data:
    examples = _corpus().train.examples
    return rows_of(examples[:: len(examples) // 4000][:4000], "included corpus")


@cache
def _among(most: int) -> Collection:
    test = _titles()[1]
    assert isinstance(test, Collection)
    return test.among(most)


def _retrieval(name: str, split: str | None) -> Retrieval:
    """One of BEIR's layout."""
    whole = read(find(name), split=split)
    assert isinstance(whole, Retrieval)
    return whole


def _only(whole: Retrieval, asked: Sequence[str]) -> Retrieval:
    """Some of the queries, and no others."""
    return replace(
        whole, queries={q: whole.queries[q] for q in asked}, qrels={q: whole.qrels[q] for q in asked}
    )  # fmt: skip


def _rows(whole: Retrieval) -> Data:
    """Judged pairs of the queries that are judged."""
    return replace(judged_rows(_only(whole, [q for q in whole.qrels if q in whole.queries])), columns={})


@cache
def _scifact() -> Parts:
    train, test = (_retrieval("scifact", part) for part in ("train", "test"))
    # two claims are in both parts, word for word
    held = {test.queries[q] for q in test.qrels}
    return _rows(_only(train, [q for q in train.qrels if train.queries[q] not in held])), Collection.of(test)


@cache
def _seen() -> Data:
    train, test = (_retrieval("scifact", part) for part in ("train", "test"))
    return _rows(replace(train, queries=train.queries | test.queries, qrels=train.qrels | test.qrels))


@cache
def _abstracts() -> Data:
    import json

    with find("scifact/corpus.jsonl").open(encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    return rows_of([Example(d["title"], (d["text"],)) for d in documents if d["title"] and d["text"]], "SciFact")


def _text_data(name: str) -> TextData:
    data = read(find(name))
    assert isinstance(data, TextData)
    return data


@cache
def _similar(part: str) -> Data:
    return rows_of(_text_data(f"stsb/en-{part}.tsv").examples, f"STS-B {part}")


@cache
def _inferences() -> Data:
    pairs = [e for part in ("dev", "test") for e in _text_data(f"snli/{part}.tsv").examples]
    rows = [
        Example(e.anchor, (entailed,), (contradicting,))
        for e in pairs
        for entailed, contradicting in zip(e.positives, e.negatives, strict=False)
    ]
    return rows_of(rows, "SNLI")


@cache
def _verdicts() -> Data:
    parts = [read(find(f"snli/{part}.tsv"), columns={"pair_label": "label"}) for part in ("dev", "test")]
    return rows_of([e for part in parts if isinstance(part, TextData) for e in part.examples], "SNLI")


@cache
def _definitions() -> Data:
    with gzip.open(find("wn18rr/entity2text.tsv.gz"), "rt", encoding="utf-8") as file:
        named = [line.rstrip("\n").split("\t", 1)[1].partition(", ") for line in file]
    return rows_of([Example(gloss, (word,)) for word, _, gloss in named], "WordNet")


@cache
def whole_sentences() -> list[str]:
    """Each sentence of SNLI and of STS-B's training part once."""
    inferred, judged = _inferences(), _similar("train")
    assert inferred.others is not None and judged.others is not None  # noqa: PT018
    every = (inferred.anchors, inferred.others, judged.anchors, judged.others)
    return list(dict.fromkeys(text for items in every for text in items.texts))
