"""Queries that nobody asked: sentences cropped from abstracts, and their titles; the test asks with claims."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import abstracts
from counterpoint.testbeds.texts import SCIFACT

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")


def cropped(seed: int) -> Parts:
    """Each abstract of SciFact with a sentence of it, drawn by the seed, and with its title; the test is SciFact's.

    Column `query`: 0 of sentences, 1 of titles.
    """
    train, test = abstracts(seed)
    assert isinstance(train, Data)
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    rng = np.random.default_rng(seed)
    sentences = [str(rng.choice(of)) for of in _sentences()]
    n = len(sentences)
    anchors = Items.cat([Items("text", sentences), train.anchors[train.anchor]])
    kind = torch.arange(2).repeat_interleave(n)
    columns = {"query": kind}
    return Data(anchors, torch.arange(2 * n), train.others, train.positives[:, :1].repeat(2, 1), columns=columns), test


@cache
def _sentences() -> list[list[str]]:
    train = abstracts(0)[0]
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    return [_END.split(text) for text in train.others[train.positives[:, 0]].texts]


CROPPED = replace(
    SCIFACT,
    name="SciFact, cropped",
    parts=cropped,
    about="SciFact's 5,183 abstracts with a sentence of each and its title to train on, no claim; 300 claims against "
    "the abstracts for test; a table of token vectors that was trained on titles and abstracts by InfoNCE for 200 "
    "steps, then 200 steps at a rate of 0.002",
)
