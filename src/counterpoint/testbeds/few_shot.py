"""Sixteen questions of each class, and a language model that says their class in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from counterpoint.data.items import Data
from counterpoint.encoders import DemonstrationEncoder, TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.testbeds.bed import Made, Parts
from counterpoint.testbeds.classifiers import accuracy, its_classifier
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.sorted_texts import QUESTIONS, SECTIONS, all_questions
from counterpoint.testbeds.texts import FEW_LAYERS, SMOLLM2

EACH = 16
"""Of the papers."""
WORDS = ("Expression", "Description", "Entity", "Human", "Location", "Number")
"""Of TREC's classes in the order of the alphabet: those of Gao et al. 2021 (LM-BFF)."""


def sixteen_questions(seed: int) -> Parts:
    """TREC: 16 questions of each of six classes drawn by the seed, 500 for test."""
    train, test = all_questions(seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(train)))
    label = train.columns["label"][order]
    return train[torch.cat([order[label == c][:EACH] for c in label.unique()])], test


def its_words(made: Made, data: Data) -> np.ndarray:
    """The class whose word a prompted model finds likeliest; of any other what its classifier says, or a probe."""
    if not isinstance(made.encoder, DemonstrationEncoder):
        return its_classifier(made, data)
    with torch.inference_mode():
        said = torch.from_numpy(representation(made, data)) @ made.encoder.word_vectors().T
    return np.array([str(label) for label in said.argmax(1).tolist()])


SIXTEEN_QUESTIONS = replace(
    QUESTIONS,
    name="TREC, 16 of each",
    parts=sixteen_questions,
    about=f"TREC: {EACH} questions of each of six classes drawn by the seed, and its 500 test questions; {SMOLLM2}, "
    "then 400 steps of 16 at a rate of 5e-4",
    steps=400,
    settings=FEW_LAYERS | {"batch_size": 16},
    figures=(accuracy(its_words),),
)
PROMPTED_QUESTIONS = replace(
    SIXTEEN_QUESTIONS,
    name="TREC, prompted",
    parts=all_questions,
    steps=800,
    about=SIXTEEN_QUESTIONS.about.replace(
        f"{EACH} questions of each of six classes drawn by the seed", "its training questions"
    ).replace("400", "800"),
)
"""All training questions: what could be reached."""


def roomy_bert(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature of random weights that has places for six demonstrations."""
    size: dict[str, Any] = {"layers": 1, "width": 64, "heads": 2, "spread": 0.25, "max_seq_length": 192}
    return small_transformer([*data.anchors.texts, " ".join(WORDS)], seed=seed, normalize=False, **size)


PROMPTED_SECTIONS = replace(
    SECTIONS,
    name="sections, prompted",
    about="included corpus: 60 descriptions each of six sections to train on, as many for test; a BERT in miniature (1 "
    "layer of 64) of random weights, 40 steps at a rate of 2e-3",
    start=roomy_bert,
)
