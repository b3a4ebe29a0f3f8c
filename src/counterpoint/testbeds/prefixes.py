"""Testbeds of sentences at the rates of prefixes, which need a hundred times those of a model's own weights."""

from __future__ import annotations

import re
from dataclasses import replace

import torch

from counterpoint.data.items import Data
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.captioned import CAPTIONED, captioned
from counterpoint.testbeds.corpora import inferences
from counterpoint.testbeds.texts import INFERENCES, LIKENESS, QUICK_BERT, SENTENCES

SENTENCE_RATE, INFERENCE_RATE = 3e-2, 1e-2
"""Jiang et al. 2022 for BERT-base."""


def unseen_captions(seed: int) -> Parts:
    """SNLI's inference pairs to train on, and captions by their picture for test.

    SNLI's premises are captions, some of them of these pictures: a picture with such a caption is left out.
    """
    train, test = inferences(seed)[0], captioned(seed)[1]
    assert isinstance(test, Data)  # captions alone
    known, picture = set(map(_letters, train.anchors.texts)), test.columns["picture"]
    seen = torch.tensor([_letters(text) in known for text in test.anchors[test.anchor].texts])
    return train, test[~torch.isin(picture, picture[seen])]


def _letters(text: str) -> str:
    """What tells it: SNLI's words and signs stand apart."""
    return re.sub(r"\W+", "", text.lower())


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


UNSEEN_CAPTIONS = replace(
    PREFIXED_INFERENCES,
    name="unseen captions, from inferences",
    parts=unseen_captions,
    about=INFERENCES.about.replace("5e-4", f"{INFERENCE_RATE}").replace(
        "STS-B's test pairs",
        "five captions each of about 410 pictures of Multi30k for test, of which none is trained on",
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
