"""Sentences of two classes, of which one is rare where training is done and as frequent as the other in the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.denoised import reader
from counterpoint.testbeds.figures import labels, representation, tuned_probe
from counterpoint.testbeds.sorted_texts import QUESTIONS, SECTIONS, subjectivity
from counterpoint.testbeds.texts import QUICK_BERT
from counterpoint.testbeds.transfer import random_bert

SHARE = 0.05
"""Of the sentences of the second class that are left to train on."""


def rarely_subjective(seed: int) -> Parts:
    """SUBJ (Pang and Lee 2004) as `subjectivity`, with a twentieth of one class to train on, 13 sentences or so."""
    train, test = subjectivity(seed)
    rare = (train.columns["label"] == 1).nonzero()[:, 0]
    kept = torch.ones(len(train), dtype=torch.bool)
    kept[rare[round(SHARE * len(rare)) :]] = False
    return train[kept], test


def short_random_bert(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature of random weights that reads 16 tokens, and tells texts apart from the start."""
    return random_bert(data, seed, 32, 16)


def _macro_f1(made: Made) -> float:
    from sklearn.metrics import f1_score

    assert isinstance(made.test, Data)
    x, y = representation(made, made.train), representation(made, made.test)
    said = tuned_probe(x, labels(made.train), y, evenly=True)
    return float(f1_score(np.array(labels(made.test)), said, average="macro"))


macro_f1 = Figure("macro F1 of a probe", _macro_f1)
"""The mean over classes of F1, by a logistic probe that is fitted on as many training rows of each, rare ones again and
again: as they are it calls every text one of the frequent class, whatever the vectors."""
_START = (
    "a BERT in miniature (2 layers of 64) after 300 steps of masked language modelling on all of SUBJ's sentences, "
    "then 200 steps of 32 at a rate of 1e-4"
)
RARELY_SUBJECTIVE = replace(
    QUESTIONS,
    name="SUBJ, one class rare",
    parts=rarely_subjective,
    about=f"SUBJ: about 250 sentences of one class and 13 of the other to train on, drawn by the seed, 500 for test; "
    f"{_START}",
    start=reader,
    settings={**QUESTIONS.settings, "learning_rate": 1e-4},
    figures=(macro_f1,),
)
EVENLY_SUBJECTIVE = replace(
    RARELY_SUBJECTIVE,
    name="SUBJ, both classes frequent",
    parts=subjectivity,
    about=f"SUBJ: 500 sentences of two classes to train on, drawn by the seed, 500 for test; {_START}",
)
"""What could be reached with as many sentences of both."""
SECTIONS_BY_BERT = replace(
    SECTIONS,
    name="sections, by BERT",
    about=SECTIONS.about.replace(QUICK_BERT, "a BERT in miniature (2 layers of 32, 16 tokens) of random weights"),
    start=short_random_bert,
)
"""Whose vectors are apart from the start."""
