"""Testbeds of sentences at the rates of prefixes, which need a hundred times those of a model's own weights."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.captioned import CAPTIONED, captioned
from counterpoint.testbeds.corpora import inferences
from counterpoint.testbeds.texts import INFERENCES, LIKENESS, QUICK_BERT, SENTENCES

SENTENCE_RATE, INFERENCE_RATE = 3e-2, 1e-2
"""Jiang et al. 2022 for BERT-base."""


def foreign_captions(seed: int) -> Parts:
    """SNLI's inference pairs to train on, and captions by their picture for test."""
    return inferences(seed)[0], captioned(seed)[1]


PREFIXED_SENTENCES = replace(
    SENTENCES,
    name="STS-B, sentences, for prefixes",
    about=SENTENCES.about.replace("5e-4", f"{SENTENCE_RATE}"),
    settings=SENTENCES.settings | {"learning_rate": SENTENCE_RATE},
)


PREFIXED_INFERENCES = replace(
    INFERENCES,
    name="STS-B, inferences, for prefixes",
    about=INFERENCES.about.replace("5e-4", f"{INFERENCE_RATE}"),
    settings=INFERENCES.settings | {"learning_rate": INFERENCE_RATE},
)


FOREIGN_CAPTIONS = replace(
    PREFIXED_INFERENCES,
    name="captions, from inferences",
    parts=foreign_captions,
    about=INFERENCES.about.replace("5e-4", f"{INFERENCE_RATE}").replace(
        "STS-B's test pairs", "five captions each of 500 pictures of Multi30k for test"
    ),
    figures=CAPTIONED.figures,
)


PREFIXED_LIKENESS = replace(
    LIKENESS,
    name="likeness, for prefixes",
    about=LIKENESS.about.replace(
        f"{QUICK_BERT}, then 40 steps at a rate of 2e-3", f"{QUICK_BERT}, then 40 steps at a rate of {SENTENCE_RATE}"
    ),
    settings=LIKENESS.settings | {"learning_rate": SENTENCE_RATE},
)
