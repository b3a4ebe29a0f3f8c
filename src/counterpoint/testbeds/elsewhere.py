"""Weak pairs and judged ones of one field, and a test in another that nothing was trained on."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import cache

import torch
from torch import nn

from counterpoint.data import Example
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import TransformerEncoder, load
from counterpoint.encoders.adapting import first_layers
from counterpoint.encoders.scratch import small_transformer
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.corpora import _retrieval, like_pairs, some_titles
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.positions import LIKE_LONG
from counterpoint.testbeds.texts import FEW_LAYERS, RETRIEVAL

LAYERS = 2
"""Of SmolLM2, of what is large here."""
_WORDS, _LENGTH, _WIDTH = 32, 32, 32


def scientific(seed: int) -> Parts:
    """SciFact's titles (`judged` 0) and training claims (1), each with the first 32 words of an abstract; packages.

    Of the included corpus, of which nothing is trained on, 1,500 held-out titles are to find their own among 3,000
    descriptions. The same for every seed.
    """
    return _scientific(), some_titles(seed)[1]


def of_two_kinds(seed: int) -> Parts:
    """2,000 titles of the included corpus with their descriptions, of which every fourth stands for a judged one."""
    train, test = like_pairs(seed)
    assert isinstance(train, Data)
    return replace(train, columns={"judged": (torch.arange(len(train)) % 4 == 0).long()}), test


@cache
def _scientific() -> Data:
    with find("scifact/corpus.jsonl").open(encoding="utf-8") as file:
        documents = {d["_id"]: d for d in map(json.loads, file) if d["title"] and d["text"]}
    text = {key: " ".join(d["text"].split()[:_WORDS]) for key, d in documents.items()}
    train = _retrieval("scifact", "train")
    weak = [Example(d["title"], (text[key],)) for key, d in documents.items()]
    asked = {q: [text[d] for d, gain in gains.items() if gain > 0 and d in text] for q, gains in train.qrels.items()}
    judged = [Example(train.queries[q], (own,)) for q, found in asked.items() for own in found]
    column = torch.arange(len(weak) + len(judged)) >= len(weak)
    return replace(rows_of([*weak, *judged], "SciFact"), columns={"judged": column.long()})


def deeper_smollm2(data: Data, seed: int) -> TransformerEncoder:
    """A copy of SmolLM2's embeddings and first layers, mean-pooled; nothing was contrasted, and token vectors stay.

    It is the same for every seed.
    """
    del data, seed
    return copy.deepcopy(_deeper())


@cache
def _deeper() -> TransformerEncoder:
    from counterpoint.fitting.bases import smollm2_folder

    encoder = load(smollm2_folder())
    assert isinstance(encoder, TransformerEncoder)
    # without the last normalisation, which was learned for the states of the last layer
    first_layers(encoder, LAYERS).model.float().norm = nn.Identity()
    encoder.model.get_input_embeddings().weight.requires_grad_(requires_grad=False)
    return encoder


def of_two_layers(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, of random weights."""
    assert data.others is not None
    return small_transformer(
        data.others.texts, layers=LAYERS, width=_WIDTH, heads=2, max_seq_length=_LENGTH, normalize=False, seed=seed
    )


ELSEWHERE = Testbed(
    "SciFact, asked for packages",
    scientific,
    f"SciFact's 5,183 titles and its claims to train on, each with the first {_WORDS} words of an abstract; for test "
    "1,500 held-out titles of the included corpus against 3,000 descriptions, of which nothing is trained on; "
    f"SmolLM2's embeddings and first {LAYERS} layers, then 100 steps of 32 at a rate of 5e-4",
    deeper_smollm2,
    steps=100,
    settings=FEW_LAYERS | {"batch_size": 32, "accumulate": 1},
    raw=TF_IDF,
    figures=RETRIEVAL,
)
AT_HOME = replace(
    ELSEWHERE,
    name="packages, asked for packages",
    parts=some_titles,
    about="4,000 titles of the included corpus with their descriptions to train on, and the same test and start",
)
"""Where what is tested is what was trained on."""
OF_TWO_KINDS = replace(
    LIKE_LONG,
    name="titles, of two kinds",
    parts=of_two_kinds,
    about="2,000 titles of the included corpus with their descriptions to train on, every fourth as if it were judged; "
    "300 held-out titles with their own description, one of the same section and one of another; a BERT in miniature "
    f"({LAYERS} layers of {_WIDTH}) of random weights, 40 steps of 32 at a rate of 1e-3",
    start=of_two_layers,
)
"""What tests take."""
