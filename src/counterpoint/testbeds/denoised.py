"""A small start that has learned to fill words in, for decoders that choose from a vocabulary; captions by it."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.testbeds.bitext import polyglot
from counterpoint.testbeds.captioned import CAPTIONED, PAIRED_CAPTIONS


def reader(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, that has guessed masked tokens of the data's texts, mean-pooled."""
    # of translations it reads both languages: here there is one
    return polyglot(replace(data, others=data.anchors), seed)


_START = "a BERT in miniature (2 layers of 64) after 300 steps of masked language modelling on the captions to train on"
_SETTINGS = {**CAPTIONED.settings, "learning_rate": 2e-3}
CAPTIONED_BY_BERT = replace(
    CAPTIONED,
    name="captions of a picture, by BERT",
    about="Multi30k: 8,570 captions to train on, five captions each of 500 other pictures for test; "
    f"{_START}, then 200 steps of 64 at a rate of 2e-3",
    start=reader,
    settings=_SETTINGS,
)
PAIRED_BY_BERT = replace(
    PAIRED_CAPTIONS,
    name="captions of a picture, paired, by BERT",
    about="Multi30k: 10,280 pairs of captions of one picture to train on, five captions each of 500 other pictures for "
    f"test; {_START}, then 400 steps of 64 at a rate of 2e-3",
    start=reader,
    settings=_SETTINGS,
)
