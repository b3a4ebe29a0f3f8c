"""Documents whose answer can be put elsewhere: is a document found as well by its end as by its beginning?"""

from __future__ import annotations

import copy
import math
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import cast

import torch

from counterpoint.data.items import Data
from counterpoint.data.passages import in_sentences
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.evaluate import Answered, positional_bias
from counterpoint.evaluate.encoder import Encodes
from counterpoint.pretraining import MaskedLM
from counterpoint.tasks import Collection
from counterpoint.testbeds.aligned import together
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.corpora import abstracts, like_pairs
from counterpoint.testbeds.texts import FEW_LAYERS
from counterpoint.testbeds.transfer import random_bert
from counterpoint.training import TrainConfig, train

_WORDS, _LENGTH, _WIDTH, _STEPS = 128, 256, 64, 300
_SHORT = 48
_PLACES, _SHORTEST = 5, 20
"""Segments, and words of the shortest document that is cut into them."""


def shortened_abstracts(seed: int) -> Parts:
    """Titles with the first 128 words of abstracts of SciFact, which the start reads whole; and claims with the same.

    The same for every seed.
    """
    train, test = abstracts(seed)
    assert train.others is not None and isinstance(test, Collection)  # noqa: PT018 - as they are made
    cut = replace(train, others=replace(train.others, values=[_cut(text) for text in train.others.texts]))
    return cut, replace(test, corpus=replace(test.corpus, values=[_cut(text) for text in test.corpus.texts]))


def _cut(text: str) -> str:
    return " ".join(text.split()[:_WORDS])


def longer_reading_bert(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, that reads 256 tokens and has guessed masked tokens of the documents."""
    assert data.others is not None
    return copy.deepcopy(_masked(tuple(data.others.texts), seed))


@cache
def _masked(texts: tuple[str, ...], seed: int) -> TransformerEncoder:
    size = {"width": _WIDTH, "heads": 2, "spread": _WIDTH**-0.5, "max_seq_length": _LENGTH}
    encoder = small_transformer(texts, normalize=False, seed=seed, **size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        masked = MaskedLM(encoder, texts)
    settings = TrainConfig(
        steps=_STEPS, batch_size=32, learning_rate=2e-3, validations=1, chunk_tokens=1 << 20, seed=seed
    )
    train(masked, masked, masked.objective(), settings)
    return encoder


def short_reading_bert(data: Data, seed: int) -> TransformerEncoder:
    """Random weights, large enough for it to tell texts apart, of which it reads 48 tokens."""
    return random_bert(data, seed, _WIDTH // 2, _SHORT)


def answered(test: Data | Collection) -> tuple[list[str], list[Answered]]:
    """Documents that answer a query of a test, and of each the sentence that shares most with its query.

    Words count by how rare they are in these documents (the logarithm of one over their share). Documents of one
    sentence, or of fewer than 20 words, are left out.
    """
    (asked, rows, _), (found, own, _) = together(test)
    pairs = [
        (query, document)
        for query, document in zip(asked[rows].texts, found[own].texts, strict=True)
        if len(in_sentences(document)) > 1 and len(document.split()) >= _SHORTEST
    ]
    place = {document: i for i, document in enumerate(dict.fromkeys(document for _, document in pairs))}
    often = Counter(word for document in place for word in _words(document))
    passages = []
    for query, document in pairs:
        sentences = in_sentences(document)
        shared = [_words(query) & _words(sentence) for sentence in sentences]
        worth = [sum(math.log(len(place) / often[word]) for word in words) for words in shared]
        passages.append(Answered(query, sentences[worth.index(max(worth))], place[document]))
    return list(place), passages


def _words(text: str) -> set[str]:
    return {word.strip(".,;:!?()").lower() for word in text.split()}


def _measured(made: Made, figure: str, *, moved: bool) -> float:
    documents, passages = answered(made.parts[1])
    asked = passages if moved else ()
    encoder = cast(Encodes, made.encoder)
    return positional_bias(encoder, documents, asked, places=_PLACES, samples=0)[figure].value


def _place(made: Made) -> float:
    return _measured(made, "first place better", moved=True)


def _segment(made: Made) -> float:
    return _measured(made, "first segment nearer", moved=False)


first_place = Figure("how often a document scores higher with its answer first than elsewhere", _place)
"""Over test queries and four other places (`evaluate.positional_bias`); a half where places do not count."""

first_segment = Figure("how often the first segment is nearer to its document than another", _segment)
"""Of five segments, over the documents that answer test queries; a half where places do not count."""

_ABOUT = "then 200 steps of 32 at a rate of 1e-3"
LONG_ABSTRACTS = Testbed(
    "SciFact, titles and longer abstracts",
    shortened_abstracts,
    f"SciFact's 5,183 titles with the first {_WORDS} words of their abstracts to train on, no claim; 300 claims with "
    f"the abstracts that answer them for test; a BERT in miniature (2 layers of {_WIDTH}) that reads {_LENGTH} tokens, "
    f"after {_STEPS} steps of masked language modelling on the abstracts, {_ABOUT}",
    longer_reading_bert,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 32, "accumulate": 1, "learning_rate": 1e-3},
    figures=(first_place, first_segment),
)
LIKE_LONG = replace(
    LONG_ABSTRACTS,
    name="documents and titles",
    parts=like_pairs,
    about="2,000 titles of the included corpus with their descriptions to train on; 300 held-out titles with their own "
    f"description, one of the same section and one of another; a BERT in miniature (2 layers of {_WIDTH // 2}) of "
    f"random weights that reads {_SHORT} tokens, 40 steps of 32 at a rate of 1e-3",
    start=short_reading_bert,
    steps=40,
    figures=(),
)
"""What tests take."""
