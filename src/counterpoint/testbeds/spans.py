"""Passages of five packages each, and titles that ask for one sentence of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from counterpoint.data import debian
from counterpoint.data.items import Data, Items
from counterpoint.data.passages import in_sentences
from counterpoint.encoders import SpanEncoder, TransformerEncoder
from counterpoint.encoders.propositions import marked
from counterpoint.encoders.scratch import small_transformer
from counterpoint.tasks.task import normalised
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.mined import PAIRED
from counterpoint.testbeds.texts import SMOLLM2

SENTENCES, ALPHA = 5, 1.0
"""Of a passage; for how much the passage's score counts in a sentence's."""
_TRAINED, _FEW, _ASKED = 4000, 300, 500
"""Packages, or so many in tests; titles that are asked, at most."""


def packages(seed: int) -> Parts:
    """Passages of the first sentences of five descriptions; titles of 4,000 packages to train on, held-out ones to ask.

    Packages stand in the order of sections and names, so that neighbours in a passage have to do with each other.
    Column `answer`: which sentence of its passage is the title's.
    """
    del seed
    return _parts(_TRAINED)


def few_packages(seed: int) -> Parts:
    """The same of 300 packages to train on, and of 100 of the held-out ones."""
    del seed
    train, test = _parts(_FEW)
    return train, test[torch.arange(min(len(test), 100))]


def seen_packages(seed: int) -> Parts:
    """The same with the test's packages to train on, and no others: an oracle's training part."""
    del seed
    test = _parts(_TRAINED)[1]
    return test, test


@cache
def _parts(trained: int) -> tuple[Data, Data]:
    corpus = debian()
    order = dict(zip(corpus.packages, corpus.sections, strict=True))
    every = corpus.train.examples
    some = [(corpus.packages[e.line - 1], e.anchor, e.positives[0]) for e in every[:: len(every) // trained][:trained]]
    held = corpus.heldout
    asked = [(name, held.queries[q], held.corpus[name]) for q, gains in held.qrels.items() for name in gains]
    made = [_passages(sorted(rows, key=lambda row: (order[row[0]], row[0]))) for rows in (some, asked)]
    return made[0], made[1]


def reading_passages(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, one layer of 32 with random weights, that reads 160 tokens."""
    texts = sorted({*data.anchors.texts, *(data.others.texts if data.others is not None else ())})
    size: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "vocab_size": 1000, "max_seq_length": 160}
    return small_transformer(texts, seed=seed, spread=32**-0.5, normalize=False, **size)


def _passages(rows: list[tuple[str, str, str]]) -> Data:
    """Of rows of a package's name, title and description."""
    kept: list[tuple[str, str]] = []
    for _, title, text in rows:
        sentence = in_sentences(" ".join(text.split()))[0]
        if 4 <= len(sentence.split()) <= 30 and sentence[-1] in ".!?":
            kept.append((title, sentence))
    titles, texts, answer = list[str](), list[str](), list[int]()
    for start in range(0, len(kept) - SENTENCES + 1, SENTENCES):
        group = kept[start : start + SENTENCES]
        passage = " ".join(sentence for _, sentence in group)
        if in_sentences(passage) == [sentence for _, sentence in group]:
            titles += [title for title, _ in group]
            texts.append(passage)
            answer += range(SENTENCES)
    at = torch.arange(len(titles))
    columns = {"answer": torch.tensor(answer)}
    return Data(
        Items("text", titles), at, Items("text", texts), (at // SENTENCES)[:, None], None, columns, source="packages"
    )


def _scores(made: Made) -> tuple[Float[np.ndarray, "n m"], Float[np.ndarray, "n m p"], np.ndarray, np.ndarray]:
    """Of test titles with passages and with their sentences; which passage and which of its sentences is right."""
    test = made.test[torch.arange(len(made.test))[:: max(1, len(made.test) // _ASKED)]]
    assert test.others is not None and test.positives is not None  # noqa: PT018 - pairs
    queries, passages = test.anchors[test.anchor], [in_sentences(text) for text in test.others.texts]
    right = test.positives[:, 0].numpy(), test.columns["answer"].numpy()
    if isinstance(made.encoder, SpanEncoder):
        read = [marked(text, own) for text, own in zip(test.others.texts, passages, strict=True)]
        return *made.encoder.scores(queries, Items("text", read)), *right
    q = normalised(made.encoder.encode_items(queries, kind="query"))
    sentences = Items("text", [text for own in passages for text in own])
    whole, parts = (normalised(made.encoder.encode_items(items, kind="document")) for items in (test.others, sentences))
    return q @ whole.T, (q @ parts.T).reshape(len(q), len(passages), -1), *right


def _sentence(made: Made) -> float:
    whole, parts, passage, answer = _scores(made)
    score = np.where(np.isnan(parts), -np.inf, parts) + ALPHA * whole[..., None]
    best = score.reshape(len(score), -1).argmax(1)
    return float((best == passage * parts.shape[2] + answer).mean())


sentence_found = Figure("P@1 of sentences", _sentence)
"""Whether the best of all sentences of all test passages is the title's, by its own score and its passage's."""


def _passage(made: Made) -> float:
    whole, _, passage, _ = _scores(made)
    return float((whole.argmax(1) == passage).mean())


passage_found = Figure("P@1 of passages", _passage)
"""Whether the best of all test passages is the title's."""


def _margin(made: Made) -> float:
    _, parts, passage, answer = _scores(made)
    own = parts[np.arange(len(parts)), passage]
    right = np.arange(own.shape[1]) == answer[:, None]
    # a sentence that was cut off has no vectors
    others = np.where(right | np.isnan(own), -np.inf, own).max(1)
    found = own[right] - others
    return float(found[np.isfinite(found)].mean())


margin_within = Figure("score of the right sentence over the next of its passage", _margin)
"""The mean over test titles whose sentence was not cut off; below 0 where another one of the passage scores higher."""

_ABOUT = (
    "included corpus: passages of the first sentences of five descriptions, packages in the order of sections and "
    "names; {} packages to train on, titles of {} others for test, against all of their passages; {}"
)
SPANS = replace(
    PAIRED,
    name="passages of packages",
    parts=packages,
    about=_ABOUT.format("4,000", "1,500", f"{SMOLLM2}, then 100 steps of 16 at a rate of 5e-4"),
    steps=100,
    settings={**PAIRED.settings, "batch_size": 16},
    raw=TF_IDF,
    figures=(sentence_found, passage_found),
)
SEEN_SPANS = replace(SPANS, name="passages of packages, seen", parts=seen_packages, steps=200)
"""Trained on the test's packages, twice the steps."""
FEW_SPANS = replace(
    SPANS,
    name="passages of packages, few",
    parts=few_packages,
    about=_ABOUT.format(
        "300",
        "100",
        "a BERT of one layer of 32 with random weights that reads 160 tokens, then 20 steps of 16 at a rate of 2e-3",
    ),
    start=reading_passages,
    steps=20,
    settings={**SPANS.settings, "learning_rate": 2e-3},
)
