"""Running text, sentence by sentence: what neighbours teach a table of token vectors."""

from __future__ import annotations

import gzip
from dataclasses import replace
from functools import cache

import torch

from counterpoint.data.items import Data, Items
from counterpoint.procedures import Discourse
from counterpoint.procedures.discourse import ORDER
from counterpoint.testbeds.bags import BAGS
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import scored_sentences
from counterpoint.testbeds.files import find
from counterpoint.testbeds.sequences import PACKAGES_IN_ORDER
from counterpoint.testbeds.texts import TABLE, table

_ASKED = 1000
"""Pairs of neighbours whose order is asked for."""


def brown(seed: int) -> Parts:
    """The Brown corpus (Francis and Kucera 1964): its 57,340 sentences in order, as one text; STS-B's test pairs.

    The same for every seed.
    """
    return _brown(), scored_sentences(seed)[1]


@cache
def _brown() -> Data:
    with gzip.open(find("text/brown.txt.gz"), "rt", encoding="utf-8") as file:
        return Data.alone(Items("text", [line.strip() for line in file if line.strip()]), source="Brown")


@torch.no_grad()
def _told(made: Made) -> float:
    data = made.train[torch.arange(min(_ASKED, len(made.train)))]
    assert isinstance(made.procedure, Discourse)
    z = torch.from_numpy(made.encoder.encode_items(data.anchors[data.anchor])).float()
    asked = made.procedure.cpu()
    right = asked.scores(ORDER, z[:-1], z[1:, None])[:, 1] < 0
    switched = asked.scores(ORDER, z[1:], z[:-1, None])[:, 1] > 0
    return float(torch.cat([right, switched]).float().mean())


order_told = Figure("share of neighbours whose order is told", _told)
"""Of the first 1,000 texts of training, each pair as it is and switched; 0.5 is chance."""


BROWN = replace(
    BAGS,
    name="Brown, tables",
    parts=brown,
    about="57,340 sentences of the Brown corpus in order to train on, STS-B's test pairs, and 500 texts each of MR, "
    "SUBJ and TREC for probes, as many for their test; a random table of token vectors (20,000 x 256) from scratch, "
    "500 steps of 96 at a rate of 0.005",
    start=table,
    settings=TABLE | {"batch_size": 96, "learning_rate": 5e-3},
)
PACKAGES_BY_TABLE = replace(
    PACKAGES_IN_ORDER,
    name="packages in order, tables",
    about="included corpus: 600 descriptions in the order of their packages' names to train on, 300 others for test; "
    "a random table of token vectors, 30 steps at a rate of 0.005",
    start=table,
    steps=30,
    settings=TABLE | {"learning_rate": 5e-3},
)
