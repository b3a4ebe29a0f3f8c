"""Real files, where they are at hand: what each is recognised as."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from counterpoint.data import Retrieval, TextData, normalise, read, split

FOLDER = Path(os.environ.get("COUNTERPOINT_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILES = {
    "stsb/en-train.tsv": ("scored", 5749),
    "stsb/en-dev.tsv": ("scored", 1500),
    "stsb/en-test.tsv": ("scored", 1379),
    "stsb/pt-train.tsv": ("scored", 5749),
    "stsb/pt-dev.tsv": ("scored", 1500),
    "stsb/pt-test.tsv": ("scored", 1379),
    "classify/trec-train.tsv": ("labelled", 5452),
    "classify/trec-test.tsv": ("labelled", 500),
    "classify/subj.tsv": ("labelled", 10000),
    "classify/mr.tsv": ("labelled", 10662),
    "snli/dev.tsv": ("tuples", 3074),
    "snli/test.tsv": ("tuples", 3089),
    "cisi/corpus.jsonl": ("pairs", 1460),
    "cisi/queries.jsonl": ("texts", 112),
}


def real(name: str) -> TextData | Retrieval:
    if not (FOLDER / name).exists():
        pytest.skip(f"no {name} in {FOLDER}")
    return read(FOLDER / name)


@pytest.mark.parametrize("name", FILES)
def test_recognised(name):
    data = real(name)
    assert isinstance(data, TextData)
    assert (data.schema, len(data)) == FILES[name]


def test_bare_quotes_of_stsb_are_kept():
    data = real("stsb/en-train.tsv")
    raw = (FOLDER / "stsb/en-train.tsv").read_text(encoding="utf-8").split("\n")
    for example in data.examples:
        fields = raw[example.line - 1].split("\t")
        assert (example.score, *example.texts) == (float(fields[0]), *fields[1:])


def test_quoted_fields_of_the_portuguese_stsb_are_unquoted():
    data = real("stsb/pt-train.tsv")
    with (FOLDER / "stsb/pt-train.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", strict=True))[1:]
    assert [[*example.texts] for example in data.examples] == [row[1:] for row in rows]


def test_cisi():
    test = real("cisi")
    assert isinstance(test, Retrieval)
    assert (len(test.corpus), len(test.queries), len(test.qrels)) == (1460, 112, 76)
    assert sum(map(len, test.qrels.values())) == 3114


@pytest.mark.parametrize("name", ["stsb/en-train.tsv", "classify/trec-train.tsv", "snli/dev.tsv"])
def test_a_split_of_real_data_does_not_leak(name):
    data = real(name)
    parts = split(data, test=0.1, dev=0.1, seed=0)
    train, dev, test = ({normalise(t) for t in part.texts()} for part in (parts.train, parts.dev, parts.test))
    assert not train & dev
    assert not train & test
    assert not dev & test
    assert len(parts.test) >= 0.09 * len(data)
    assert len(parts.train) + len(parts.dev) + len(parts.test) == len(data)
