"""Testbeds of what a whole language model says of a text, which takes far longer than its first layer: few texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.encoders import TransformerEncoder, load
from counterpoint.encoders.scratch import small_transformer
from counterpoint.fitting.bases import smollm2_folder
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.captioned import CAPTIONED, captioned
from counterpoint.testbeds.texts import LIKENESS

TESTED, _EACH, _PACKAGES = 20, 5, 10
"""Pictures for test; captions of each; packages for test."""


def few_captions(seed: int) -> Parts:
    """Captions by their picture, of which twenty pictures are for test."""
    train, test = captioned(seed)
    assert isinstance(test, Data)  # captions alone
    return train, test[torch.arange(TESTED * _EACH)]


def few_packages(seed: int) -> Parts:
    """Twenty descriptions, and ten packages' titles and descriptions for test, by package as captions by picture."""
    corpus, generator = debian(), np.random.default_rng(seed)
    held, train = corpus.heldout, corpus.train.examples
    asked = generator.permutation(list(held.queries))[:_PACKAGES].tolist()
    titles = [held.queries[q] for q in asked]
    descriptions = [held.corpus[next(iter(held.qrels[q]))] for q in asked]
    texts = [train[i].positives[0] for i in generator.permutation(len(train))[: 2 * _PACKAGES]]
    package = torch.arange(_PACKAGES).repeat(2)
    tested = Data.alone(Items("text", [*titles, *descriptions]), source="included corpus", picture=package)
    return Data.alone(Items("text", texts), source="included corpus"), tested


def language_model(data: Data, seed: int) -> TransformerEncoder:
    """All of SmolLM2, the same for every seed."""
    del data, seed
    encoder = load(smollm2_folder(whole=True))
    assert isinstance(encoder, TransformerEncoder)
    return encoder


def random_bert(data: Data, seed: int) -> TransformerEncoder:
    """A random BERT of one layer that reads more than those of other testbeds: prompts are long."""
    return small_transformer(data.anchors.texts, layers=1, width=16, heads=2, spread=0.3, max_seq_length=256, seed=seed)


FEW_CAPTIONS = replace(
    CAPTIONED,
    name="captions of twenty pictures",
    parts=few_captions,
    about=f"Multi30k: five captions each of {TESTED} pictures for test, of which nothing is learned; SmolLM2-135M with "
    "all of its layers",
    start=language_model,
)
FEW_PACKAGES = replace(
    LIKENESS,
    name="packages, few",
    parts=few_packages,
    about="included corpus: titles and descriptions of ten held-out packages; a random BERT of one layer, for tests",
    start=random_bert,
    figures=CAPTIONED.figures,
)
