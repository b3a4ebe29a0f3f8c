"""Texts alone, of which a large embedder says what is near, and titles that should find their own description."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.corpora import some_titles
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, RETRIEVAL, SMOLLM2, smollm2

_PAIRS = 2000


def alone(seed: int) -> Parts:
    """The included corpus: titles and descriptions of 2,000 packages, drawn by the seed, without saying whose they are.

    For test 1,500 held-out titles that should find their own among 3,000 descriptions.
    """
    train, test = some_titles(seed)
    assert train.others is not None and train.positives is not None  # noqa: PT018 - pairs
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(train))[:_PAIRS]))
    texts = [*train.anchors[train.anchor[rows]].texts, *train.others[train.positives[rows, 0]].texts]
    return Data.alone(Items("text", list(dict.fromkeys(texts))), source=train.source), test


ALONE = Testbed(
    "titles and descriptions, alone",
    alone,
    f"included corpus: titles and descriptions of {_PAIRS:,} packages to train on, each alone; 1,500 held-out titles "
    f"against 3,000 descriptions; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64, "accumulate": 1},
    raw=TF_IDF,
    figures=(*RETRIEVAL,),
)
PAIRED = replace(
    ALONE,
    name="titles with descriptions, SmolLM2",
    parts=some_titles,
    about=f"included corpus: 4,000 titles with their descriptions to train on, the same test; {SMOLLM2}, then 400 "
    "steps of 64 at a rate of 5e-4",
    steps=400,
)
