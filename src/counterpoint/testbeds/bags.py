"""Sentences for tables of token vectors, which learn from scratch."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, TABLE, alignment_of_like
from counterpoint.testbeds.transfer import transfer

BAGS = replace(
    SENTENCES,
    name="STS-B, tables",
    about="28,000 sentences of SNLI and STS-B to train on, STS-B's test pairs, and 500 texts each of MR, SUBJ and TREC "
    "for probes, as many for their test; tables of token vectors from scratch, 500 steps of 256 at a rate of 0.02",
    start=None,
    steps=500,
    settings=TABLE | {"batch_size": 256},
    figures=(transfer, spearman, alignment_of_like),
)
SMALL_BAGS = replace(
    LIKENESS,
    name="likeness, tables",
    about="2,000 descriptions of the included corpus to train on; 300 held-out titles with their own description, one "
    "of the same section and one of another; tables of token vectors from scratch, 20 steps at a rate of 0.02",
    start=None,
    steps=20,
    settings=TABLE,
)
