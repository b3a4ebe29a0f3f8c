"""Captions by the picture that they are of: several people have said in their own words what is on it."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.figures import recall_within
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, SMOLLM2, smollm2

_TESTED, _EACH = 500, 5
"""Pictures for test; captions of each."""
_FEW = 500


def captioned(seed: int) -> Parts:
    """Multi30k (Elliott et al. 2016): five captions each of 500 pictures for test; those of 514 others to train on.

    Beside these 6,000 captions of other pictures, one each, are to train on. Column `picture`: its number, -1 for the
    6,000. Which pictures are for test is drawn by the seed.
    """
    pictures = five_captions()
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    trained = _data(order[_TESTED:], _others())
    return trained, _data(order[:_TESTED])


def few_captions(seed: int) -> Parts:
    """The same with 500 captions to train on, drawn by the seed."""
    train, test = captioned(seed)
    return train[torch.from_numpy(np.random.default_rng(seed).permutation(len(train))[:_FEW])], test


def paired_captions(seed: int) -> Parts:
    """The same for who may know: each caption of the pictures to train on, with every other one of its picture."""
    pictures = five_captions()
    train, test = captioned(seed)
    known = len(pictures) - _TESTED
    # of each picture every two captions, both ways
    i, j = (~torch.eye(_EACH, dtype=torch.bool)).nonzero().T
    first = _EACH * torch.arange(known)[:, None]
    anchor, positive = (first + i).flatten(), (first + j).flatten()
    return Data(train.anchors, anchor, train.anchors, positive[:, None], source=train.source), test


def _data(chosen: list[int], more: tuple[str, ...] = ()) -> Data:
    pictures = five_captions()
    texts = [caption for i in chosen for caption in pictures[i]]
    number = torch.tensor(chosen).repeat_interleave(_EACH)
    picture = torch.cat([number, torch.full((len(more),), -1)])
    return Data.alone(Items("text", [*texts, *more]), source="Multi30k", picture=picture)


@cache
def five_captions() -> tuple[tuple[str, ...], ...]:
    """Of each of 1,014 pictures of Multi30k, its validation part."""
    return tuple(tuple(row[f"c{i + 1}"] for i in range(_EACH)) for row in _rows("captions5_val"))


@cache
def _others() -> tuple[str, ...]:
    """Of other pictures one each."""
    return tuple(row["en"] for row in _rows("train"))


def _rows(name: str) -> list[dict[str, str]]:
    with gzip.open(find(f"multi30k/{name}.tsv.gz"), "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


CAPTIONED = Testbed(
    "captions of a picture",
    captioned,
    f"Multi30k: 8,570 captions to train on, five captions each of {_TESTED} other pictures for test; {SMOLLM2}, then "
    "200 steps of 64 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64},
    raw=TF_IDF,
    figures=(recall_within(1, "picture"),),
)
FEW_CAPTIONED = replace(
    CAPTIONED,
    name="captions of a picture, few",
    parts=few_captions,
    about=f"Multi30k: {_FEW} captions to train on, five captions each of {_TESTED} other pictures for test; {SMOLLM2}, "
    "then 200 steps of 64 at a rate of 5e-4",
)
PAIRED_CAPTIONS = replace(
    CAPTIONED,
    name="captions of a picture, paired",
    parts=paired_captions,
    about=f"Multi30k: 10,280 pairs of captions of one picture to train on, five captions each of {_TESTED} other "
    f"pictures for test; {SMOLLM2}, then 400 steps of 64 at a rate of 5e-4",
    steps=400,
)
