"""Testbeds for adapting a model of sentences to a domain: titles and descriptions of packages."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

from counterpoint.data import Example, debian
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import TransformerEncoder
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.corpora import inferences, some_titles
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import LIKE_PAIRS, LIKENESS, QUICK_BERT, RETRIEVAL, SMOLLM2, quick_bert, smollm2
from counterpoint.training import TrainConfig

OWN_RATES: dict[str, Any] = {"dtype": "auto", "chunk_tokens": 1 << 20, "batch_size": 64}
"""Settings for arms that say their rates themselves."""


def seen_titles(seed: int) -> Parts:
    """`some_titles` with the held-out titles among those of training: an oracle's training part."""
    train, test = some_titles(seed)
    return _seen(train.source), test


def sentence_model(data: Data, seed: int) -> TransformerEncoder:
    """SmolLM2's first layer after training on inference pairs by InfoNCE: a model of sentences of no domain."""
    del data
    return copy.deepcopy(_sentence_model(seed))


@cache
def _seen(source: str) -> Data:
    corpus = debian()
    whole, held = corpus.train.examples, corpus.heldout
    asked = [Example(held.queries[q], tuple(held.corpus[d] for d in gains)) for q, gains in held.qrels.items()]
    return rows_of([*whole[:: len(whole) // 4000][:4000], *asked], source)


@cache
def _sentence_model(seed: int) -> TransformerEncoder:
    from counterpoint.methods import Recipe, Stage, Takes
    from counterpoint.objectives import InfoNCE

    settings = TrainConfig(steps=200, learning_rate=5e-4, validations=1, **OWN_RATES)
    recipe = Recipe("InfoNCE", (Stage(lambda: InfoNCE(0.05), settings),), Takes("text", "text"))
    data = inferences(seed)[0]
    encoder = smollm2(data, seed)
    recipe.make(data, seed, encoder=encoder)
    return encoder


DOMAIN = Testbed(
    "titles, from sentences",
    some_titles,
    "included corpus: 4,000 titles with descriptions to train on, 1,500 held-out titles against 3,000 descriptions; "
    f"{SMOLLM2}, after 200 steps on SNLI's premises with hypotheses by InfoNCE, then 200 steps of 64",
    sentence_model,
    steps=200,
    settings=OWN_RATES,
    raw=TF_IDF,
    figures=RETRIEVAL,
)


SEEN_DOMAIN = replace(DOMAIN, name="titles, from sentences, seen", parts=seen_titles, steps=400)
"""With the titles of the test among those of training, twice the steps: what the model can learn of them."""


LIKE_DOMAIN = replace(
    LIKE_PAIRS,
    name="likeness, pairs, by a transformer",
    about="2,000 titles of the included corpus with their descriptions to train on; 300 held-out titles with their own "
    f"description, one of the same section and one of another; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
    start=quick_bert,
    settings=LIKENESS.settings,
)
