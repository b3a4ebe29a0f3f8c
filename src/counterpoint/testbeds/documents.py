"""Documents alone: what a retriever learns of them without any question, asked by SciFact's claims."""

from __future__ import annotations

from dataclasses import replace

from counterpoint.data import Example
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import abstracts_alone, like_pairs, likeness, scifact, seen_scifact
from counterpoint.testbeds.texts import ABSTRACTS, FEW_LAYERS, LIKE_PAIRS, TABLE

_WIDTH, _LENGTH = 64, 48
_FEW, _NARROW, _SHORT, _TOKENS = 256, 32, 24, 1000
"""Of what tests take: rows, and the width, the length and the vocabulary of what they begin with."""


def unasked(seed: int) -> Parts:
    """SciFact's abstracts, without titles or claims, to train on; the test is that of `scifact`."""
    return abstracts_alone(seed)[0], scifact(seed)[1]


def unread(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, with random weights and 8,000 tokens made of the documents, mean-pooled.

    The tokens are the same for every seed; it reads 48 of a text.
    """
    assert data.others is not None
    size = {"width": _WIDTH, "heads": 2, "spread": _WIDTH**-0.5, "max_seq_length": _LENGTH}
    return small_transformer(sorted({*data.others.texts}), seed=seed, normalize=False, **size)


UNASKED = replace(
    ABSTRACTS,
    name="SciFact, abstracts alone",
    parts=unasked,
    about="SciFact's 5,183 abstracts to train on, no title and no claim; 300 claims against them for test; a random "
    "table of token vectors (20,000 x 256) from scratch, 200 steps of 256 at a rate of 0.02",
    settings={**TABLE, "batch_size": 256},
)
BY_BERT = replace(
    ABSTRACTS,
    name="SciFact, titles only, by BERT",
    about="SciFact's 5,183 titles with abstracts to train on, no claim; 300 claims against the abstracts for test; a "
    f"BERT in miniature (2 layers of {_WIDTH}) of random weights that reads {_LENGTH} tokens, 200 steps of 16 at a "
    "rate of 2e-3, of pre-training and of fine-tuning together",
    start=unread,
    steps=200,
    settings={**FEW_LAYERS, "batch_size": 16, "accumulate": 1, "learning_rate": 2e-3},
)
"""Where what is learned of documents alone is told by what fine-tuning makes of it."""
ASKED_BY_BERT = replace(
    BY_BERT,
    name="SciFact, all claims, by BERT",
    parts=seen_scifact,
    about="SciFact's claims, those of the test, too, with their abstracts to train on; all else the same",
)


def few_pairs(seed: int) -> Parts:
    """256 titles with descriptions of the included corpus, and `likeness`'s test."""
    train, test = like_pairs(seed)
    assert isinstance(train, Data)
    return rows_of(_examples(train), train.source), test


def few_documents(seed: int) -> Parts:
    """The same descriptions alone."""
    train, test = likeness(seed)
    assert isinstance(train, Data)
    return Data.alone(Items("text", list(train.anchors.texts[:_FEW])), source=train.source), test


def _examples(pairs: Data) -> list[Example]:
    assert pairs.others is not None and pairs.positives is not None  # noqa: PT018 - pairs
    titles, texts = pairs.anchors[pairs.anchor].texts[:_FEW], pairs.others[pairs.positives[:, 0]].texts
    return [Example(title, (text,)) for title, text in zip(titles, texts, strict=False)]


def narrow_bert(data: Data, seed: int) -> TransformerEncoder:
    """A BERT of one layer of 32 with random weights, large enough for it to tell texts apart; it reads 24 tokens."""
    texts = sorted({*data.anchors.texts, *(data.others.texts if data.others is not None else ())})
    size = {"layers": 1, "width": _NARROW, "heads": 2, "vocab_size": _TOKENS, "max_seq_length": _SHORT}
    return small_transformer(texts, seed=seed, spread=_NARROW**-0.5, normalize=False, **size)


_ABOUT = (
    "of the included corpus to train on; 300 held-out titles with their own description, one of the same section and "
    f"one of another; a BERT of one layer of {_NARROW} with random weights that reads {_SHORT} tokens, 40 steps of 16 "
    "at a rate of 2e-3"
)
FEW_PAIRS = replace(
    LIKE_PAIRS,
    name="documents, few pairs",
    parts=few_pairs,
    about=f"{_FEW} titles with their descriptions {_ABOUT}",
    start=narrow_bert,
    settings=FEW_LAYERS | {"batch_size": 16, "accumulate": 1, "learning_rate": 2e-3},
)
"""What tests take for questions and documents."""
FEW_DOCUMENTS = replace(FEW_PAIRS, name="documents, few", parts=few_documents, about=f"{_FEW} descriptions {_ABOUT}")
"""What tests take for documents."""
