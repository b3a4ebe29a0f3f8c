"""Pairs with a class to train on, and what the vectors of single texts are then good for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.corpora import abstracts_alone, definitions, related, title_words, verdicts
from counterpoint.testbeds.figures import labels, representation, spearman, tuned_probe
from counterpoint.testbeds.sorted_texts import questions, reviews, subjectivity
from counterpoint.testbeds.texts import INFERENCES, LIKE_PAIRS, LIKENESS, SMOLLM2, alignment_of_like

_ENTRIES = 4000
TASKS: tuple[Callable[[int], Parts], ...] = (reviews, subjectivity, questions)


def random_bert(data: Data, seed: int, width: int = 128, longest: int = 32) -> TransformerEncoder:
    """A BERT in miniature of random weights, large enough for it to tell texts apart."""
    texts = [*data.anchors.texts, *(() if data.others is None else data.others.texts)]
    size = {"width": width, "max_seq_length": longest}
    return small_transformer(texts, heads=2, spread=0.25, seed=seed, normalize=False, **size)


def some_entries(seed: int) -> Parts:
    """All of WordNet's definitions of 4,000 words and phrases that are drawn by the seed; STS-B for test."""
    data, test = definitions(seed)
    assert data.positives is not None
    order = torch.randperm(int(data.positives.max()) + 1, generator=torch.Generator().manual_seed(seed))
    return data[torch.isin(data.positives[:, 0], order[:_ENTRIES])], test


def _transfer(made: Made) -> float:
    found = []
    for task in TASKS:
        train, test = task(made.seed)
        assert isinstance(test, Data)
        said = tuned_probe(representation(made, train), labels(train), representation(made, test))
        found.append((said == np.array(labels(test))).mean())
    return float(np.mean(found))


transfer = Figure("mean probe accuracy of MR, SUBJ and TREC", _transfer)
"""Of logistic probes that are fitted on 500 texts of each, as in SentEval on all; nothing else is trained there."""


VERDICTS = replace(
    INFERENCES,
    name="SNLI, verdicts",
    parts=verdicts,
    about="19,666 pairs of SNLI with their class to train on, STS-B's test pairs, and 500 texts each of MR, SUBJ and "
    f"TREC for probes, as many for their test; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
    figures=(transfer, spearman, alignment_of_like),
)
DEFINITIONS = replace(
    VERDICTS,
    name="WordNet, definitions",
    parts=definitions,
    about="40,943 definitions of WordNet with a word for each to train on, STS-B's test pairs, and 500 texts each of "
    f"MR, SUBJ and TREC for probes, as many for their test; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
)
SOME_ENTRIES = replace(
    DEFINITIONS,
    name="WordNet, some entries",
    parts=some_entries,
    about=f"definitions of {_ENTRIES:,} words and phrases of WordNet to train on, STS-B's test pairs, and 500 texts "
    f"each of MR, SUBJ and TREC for probes, as many for their test; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
)
TWICE_ON_ENTRIES = replace(
    SOME_ENTRIES,
    name=f"{SOME_ENTRIES.name}, two stages",
    about=SOME_ENTRIES.about.replace("200 steps", "two stages of 200 steps"),
    steps=400,
)
THRICE_ON_ENTRIES = replace(
    SOME_ENTRIES,
    name=f"{SOME_ENTRIES.name}, three stages",
    about=SOME_ENTRIES.about.replace("200 steps", "three stages of 200 steps"),
    steps=600,
)
"""For stages that begin afresh: the last one has 200 steps, as those who have one stage."""
RELATED = replace(
    LIKE_PAIRS,
    name="likeness, classes",
    parts=related,
    about="included corpus: 150 held-out titles with their own description, one of the same section and one of "
    "another to train on, labelled so, and as many for test; a random table of token vectors, 40 steps at a rate of "
    "0.02",
)
TITLE_WORDS = replace(
    LIKENESS,
    name="likeness, words",
    parts=title_words,
    about="included corpus: 2,000 descriptions with the longest word of their title to train on; 300 held-out titles "
    "with their own description, one of the same section and one of another; a BERT in miniature (2 layers of 128) of "
    "random weights, 40 steps at a rate of 2e-3",
    start=random_bert,
)
DOCUMENTS = replace(
    VERDICTS,
    name="SciFact, abstracts",
    parts=abstracts_alone,
    about="5,183 abstracts of SciFact to train on, STS-B's test pairs, and 500 texts each of MR, SUBJ and TREC for "
    f"probes, as many for their test; {SMOLLM2}, then 100 steps of 32 at a rate of 5e-4",
    steps=100,
    settings={**VERDICTS.settings, "batch_size": 32},
)
