"""What is looked at inside of texts as Gaussians."""

from __future__ import annotations

from dataclasses import replace

import torch

from counterpoint.encoders import MultivariateEncoder
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import some_titles
from counterpoint.testbeds.texts import SMALL_TITLES


def _unequal(made: Made) -> float:
    test = made.parts[1] if isinstance(made.parts[1], Collection) else pairs(made.parts[1])
    encoder = made.encoder
    assert isinstance(encoder, MultivariateEncoder)
    documents = test.corpus[torch.arange(min(512, len(test.corpus)))]
    with torch.inference_mode():
        variance = encoder.eval().gaussians(encoder.inputs(documents, "document"))[1]
    return float(variance.log().std(0).mean())


unequal_variances = Figure("standard deviation of log-variances over documents", _unequal)
"""Over 512 test documents, the mean over dimensions: 0 where all documents are taken to be equally certain."""


def few_titles(seed: int) -> Parts:
    """`some_titles` with 512 of the training titles."""
    train, test = some_titles(seed)
    return train[torch.arange(512)], test


FEW_TITLES = replace(
    SMALL_TITLES,
    name="titles, 512",
    parts=few_titles,
    about="included corpus: 512 titles with descriptions to train on, 1,500 held-out titles against 3,000 "
    "descriptions; a random table of token vectors (20,000 x 256) from scratch, 60 steps at a rate of 0.02",
)
"""Where a teacher is trained before: it scores every list."""
