"""Texts with classes: questions by what they ask for, descriptions of packages by section."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.figures import probe_accuracy
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, QUICK_BERT, SMOLLM2, quick_bert, smollm2

_FEW, _FEWER, _SECTIONS, _EACH = 500, 100, 6, 60


def questions(seed: int) -> Parts:
    """TREC (Li and Roth 2002): 500 questions drawn by the seed, of six classes (what is asked for), 500 for test."""
    return _some(_FEW, seed), _questions("test")


def fewer_questions(seed: int) -> Parts:
    """The same with 100."""
    return _some(_FEWER, seed), _questions("test")


def all_questions(seed: int) -> Parts:
    """The same with all training questions that are not in the test."""
    del seed
    return _unseen(), _questions("test")


def subjectivity(seed: int) -> Parts:
    """SUBJ (Pang and Lee 2004): 500 sentences drawn by the seed, reviewers' or of the plot, and as many for test."""
    return _halved("subj", seed)


def reviews(seed: int) -> Parts:
    """MR (Pang and Lee 2005): 500 sentences of reviews drawn by the seed, for or against, and as many for test."""
    return _halved("mr", seed)


def sections(seed: int) -> Parts:
    """The included corpus: 60 descriptions each of its six largest sections drawn by the seed, as many for test."""
    corpus = debian()
    names = [name for name, _ in Counter(corpus.sections).most_common(_SECTIONS)]
    generator, about = np.random.default_rng(seed), dict(zip(corpus.packages, corpus.sections, strict=True))
    texts: dict[str, list[str]] = {name: [] for name in names}
    for package, text in corpus.heldout.corpus.items():
        if about.get(package) in texts:
            texts[about[package]].append(text)
    parts: tuple[list[tuple[str, str]], ...] = ([], [])
    for name in names:
        drawn = [texts[name][i] for i in generator.permutation(len(texts[name]))[: 2 * _EACH]]
        for part, some in zip(parts, (drawn[:_EACH], drawn[_EACH:]), strict=True):
            part.extend((name, text) for text in some)
    return _data(parts[0], "included corpus"), _data(parts[1], "included corpus")


def _some(number: int, seed: int) -> Data:
    every = _unseen()
    return every[torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(every))[:number]))]


@cache
def _unseen() -> Data:
    """Training questions, each once, without those of the test."""
    train, tested = _questions("train"), set(_questions("test").anchors.texts)
    first = {text: i for i, text in reversed(list(enumerate(train.anchors.texts)))}
    return train[torch.tensor(sorted(i for text, i in first.items() if text not in tested))]


def _halved(name: str, seed: int) -> Parts:
    """Some of a file without parts, each text once."""
    every = _read(name)
    drawn = torch.from_numpy(np.random.default_rng(seed).permutation(len(every)))
    return every[drawn[:_FEW]], every[drawn[_FEW : 2 * _FEW]]


@cache
def _read(name: str) -> Data:
    with find(f"classify/{name}.tsv").open(encoding="utf-8", newline="") as file:
        label = {row["text"]: row["label"] for row in csv.DictReader(file, delimiter="\t", quoting=3)}
    return _data([(name, text) for text, name in label.items()], name)


@cache
def _questions(part: str) -> Data:
    with find(f"classify/trec-{part}.tsv").open(encoding="utf-8", newline="") as file:
        rows = [(row["label"].split(":")[0], row["text"]) for row in csv.DictReader(file, delimiter="\t", quoting=3)]
    return _data(rows, f"TREC {part}")


def _data(rows: Sequence[tuple[str, str]], source: str) -> Data:
    """Texts with the number of their class, of all in the order of the alphabet."""
    names = sorted({name for name, _ in rows})
    label = torch.tensor([names.index(name) for name, _ in rows])
    return Data.alone(Items("text", [text for _, text in rows]), source=source, classes=tuple(names), label=label)


QUESTIONS = Testbed(
    "TREC, few",
    questions,
    f"TREC: 500 questions drawn by the seed, of six classes, and its 500 test questions; {SMOLLM2}, then 200 steps of "
    "32 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 32},
    raw=TF_IDF,
    figures=(probe_accuracy(),),
)
FEWER_QUESTIONS = replace(
    QUESTIONS,
    name="TREC, fewer",
    parts=fewer_questions,
    about=QUESTIONS.about.replace("500 questions drawn", "100 questions drawn"),
)
"""A fifth of them, the same steps."""
ALL_QUESTIONS = replace(
    QUESTIONS,
    name="TREC",
    parts=all_questions,
    steps=400,
    about=QUESTIONS.about.replace("500 questions drawn by the seed", "its training questions").replace("200", "400"),
)
"""All training questions, twice the steps."""
SECTIONS = Testbed(
    "sections",
    sections,
    f"included corpus: {_EACH} descriptions each of {_SECTIONS} sections to train on, as many for test; "
    f"{QUICK_BERT}, then 40 steps at a rate of 2e-3",
    quick_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
    raw=TF_IDF,
    figures=(probe_accuracy(),),
)
