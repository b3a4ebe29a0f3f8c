"""Texts by who wrote them: passages of speeches by authors that were trained on, and by others."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.figures import shots_accuracy
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, SMOLLM2, smollm2

_WORDS, _AT_LEAST, _NEW, _TRAINED, _TESTED = 40, 60, 10, 100, 30
_APART = 9  # years: nobody was away for longer


def authors(seed: int) -> Parts:
    """Speeches of US presidents: passages of 40 words, at most 100 each, to train on; of ten others, 30 each, for test.

    Which and which passages is drawn by the seed. The data name surnames: a gap of more than eight years in one is
    another man. Those of fewer than 60 passages are left out.
    """
    trained, new = _divided(seed)
    return _data({name: kept[:_TRAINED] for name, kept in trained.items()}), _tested(new)


def all_authors(seed: int) -> Parts:
    """The same with other passages of the test's authors to train on, too: 30 each."""
    trained, new = _divided(seed)
    seen = {name: kept[_TESTED : 2 * _TESTED] for name, kept in new.items()}
    return _data({name: kept[:_TRAINED] for name, kept in trained.items()} | seen), _tested(new)


def _tested(new: dict[str, list[str]]) -> Data:
    return _data({name: kept[:_TESTED] for name, kept in new.items()})


def _divided(seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Passages, in an order by the seed, of the authors to train on and of the others."""
    generator, every = np.random.default_rng(seed), _passages()
    drawn = {name: [kept[i] for i in generator.permutation(len(kept))] for name, kept in every.items()}
    new = set(generator.permutation(sorted(drawn))[:_NEW].tolist())
    parts: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for name, kept in drawn.items():
        parts[name in new][name] = kept
    return parts


@cache
def _passages() -> dict[str, list[str]]:
    with gzip.open(find("text/presidents.tsv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found: dict[str, list[str]] = {}
    # the younger Bush has initials in half of the file
    for surname in sorted({row["president"].removeprefix("GW") for row in rows}):
        own = sorted((row for row in rows if row["president"].removeprefix("GW") == surname), key=_year)
        man, before = "", -_APART
        for row in own:
            if _year(row) - before >= _APART:
                man = f"{surname} {row['year']}"
            before = _year(row)
            words = row["paragraph"].split()
            starts = range(0, len(words) - _WORDS + 1, _WORDS)
            found.setdefault(man, []).extend(" ".join(words[i : i + _WORDS]) for i in starts)
    return {name: kept for name, kept in found.items() if len(kept) >= _AT_LEAST}


def _year(row: dict[str, str]) -> int:
    return int(row["year"])


def _data(by: dict[str, list[str]]) -> Data:
    names = sorted(by)
    label = torch.tensor([i for i, name in enumerate(names) for _ in by[name]])
    texts = [text for name in names for text in by[name]]
    return Data.alone(Items("text", texts), source="presidents", classes=tuple(names), label=label)


AUTHORS = Testbed(
    "authors",
    authors,
    f"speeches of US presidents: passages of {_WORDS} words, at most {_TRAINED} each of 20 authors to train on, "
    f"{_TESTED} each of ten others for test, drawn by the seed; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64},
    raw=TF_IDF,
    figures=(shots_accuracy(), shots_accuracy(shots=8)),
)
ALL_AUTHORS = replace(
    AUTHORS,
    name="authors, all",
    parts=all_authors,
    steps=400,
    about=f"the same with {_TESTED} other passages of each of the ten to train on, too, and 400 steps",
)
"""With the test's authors among those of training, and twice the steps."""
