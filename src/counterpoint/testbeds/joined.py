"""Pairs of texts with a class, read as one text: what a model that sees both at once says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.corpora import related, verdicts
from counterpoint.testbeds.figures import labels, representation, tuned_probe
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, SMOLLM2, smollm2
from counterpoint.testbeds.transfer import random_bert
from counterpoint.views.equivalents import SEPARATOR, joined, law_pairs

_FEW, _MORE, _TESTED = 500, 10_000, 1000


def few_verdicts(seed: int) -> Parts:
    """SNLI (Bowman et al. 2015): 500 pairs with their class drawn by the seed, 1,000 others for test; each one text."""
    train, test = _drawn(seed)
    return train[torch.arange(_FEW)], test


def more_verdicts(seed: int) -> Parts:
    """The same with 10,000 to train on."""
    train, test = _drawn(seed)
    return train[torch.arange(min(_MORE, len(train)))], test


def related_texts(seed: int) -> Parts:
    """The included corpus: titles with their own description, one of the section and one of another, each one text."""
    train, test = related(seed)
    assert isinstance(test, Data)
    drawn = torch.from_numpy(np.random.default_rng(seed).permutation(len(train)))
    # how alike they are is their class, in both parts
    return joined(train[drawn]), joined(replace(test, columns={"label": test.columns["score"].long()}))


def _drawn(seed: int) -> tuple[Data, Data]:
    """SNLI's pairs in an order by the seed; no premise is in both parts."""
    every, generator = joined(verdicts(seed)[0]), np.random.default_rng(seed)
    premise = np.unique([text.partition(SEPARATOR)[0] for text in every.anchors.texts], return_inverse=True)[1]
    drawn = generator.permutation(premise.max() + 1)[premise]
    order = generator.permutation(len(every))
    # about a thousand pairs and a few more, whose premises are drawn first
    tested = np.sort(drawn)[_TESTED]
    held = order[drawn[order] <= tested][:_TESTED]
    return every[torch.from_numpy(order[drawn[order] > tested])], every[torch.from_numpy(held)]


def _equivalence(made: Made) -> float:
    train, test = (law_pairs(600, new=new)(made.train, nn.Identity(), made.seed) for new in (False, True))
    said = tuned_probe(representation(made, train), labels(train), representation(made, test))
    return float((said == np.array(labels(test))).mean())


equivalence = Figure("probe accuracy of logical equivalence, of new words", _equivalence)
"""Of 600 pairs of sentences by a probe that is fitted on 600 others, of which they share no subject nor adjective."""


FEW_VERDICTS = Testbed(
    "SNLI, few verdicts",
    few_verdicts,
    f"SNLI: {_FEW} pairs drawn by the seed, read as one text each, with their class to train on, {_TESTED:,} of other "
    f"premises for test; {SMOLLM2}, then 200 steps of 32 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 32},
    raw=TF_IDF,
)
HALF_TRAINED = replace(
    FEW_VERDICTS,
    name="SNLI, few verdicts, half the steps",
    steps=100,
    about=FEW_VERDICTS.about.replace("200 steps", "100 steps"),
)
"""As many steps as the second of two equal stages has."""
MORE_VERDICTS = replace(
    FEW_VERDICTS,
    name="SNLI, more verdicts",
    parts=more_verdicts,
    steps=600,
    about=FEW_VERDICTS.about.replace(f"{_FEW} pairs", f"{_MORE:,} pairs").replace("200 steps", "600 steps"),
)
"""Twenty times the pairs and three times the steps."""
RELATED_TEXTS = Testbed(
    "related texts",
    related_texts,
    "included corpus: titles with their own description, one of the same section and one of another, read as one text "
    "each, to train on, as many for test; a BERT in miniature (2 layers of 128) of random weights, whose first tokens "
    "tell texts apart, 40 steps at a rate of 2e-3",
    random_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
    raw=TF_IDF,
)
