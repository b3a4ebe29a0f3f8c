"""A new section of the included corpus: what is searched there is unlike what was trained on, and can be read first."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache, partial

import numpy as np

from counterpoint.data import debian
from counterpoint.data.rows import rows_of
from counterpoint.data.types import Example
from counterpoint.encoders import ContextualEncoder, TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.tasks import Collection, pairs
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.documents import narrow_bert
from counterpoint.testbeds.figures import found
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, nearest_other

SECTIONS = ("science", "java", "net", "gnu-r", "haskell")
_TRAINED, _TESTED, _WIDTH, _LENGTH = 12_000, 1_000, 64, 32


def new_section(seed: int, trained: int = _TRAINED, tested: int = _TESTED) -> Parts:
    """Titles and descriptions of all sections but number `seed % 5` of five; of that titles that find descriptions.

    Both are drawn by the seed.
    """
    return _parts(seed, trained, tested, known=False)


def known_section(seed: int) -> Parts:
    """The same where the test's pairs are trained on, too: what could be reached."""
    return _parts(seed, _TRAINED, _TESTED, known=True)


def _parts(seed: int, trained: int, tested: int, *, known: bool) -> Parts:
    generator, new = np.random.default_rng(seed), SECTIONS[seed % len(SECTIONS)]
    sides: tuple[list[Example], list[Example]] = ([], [])
    for section, example in _pairs():
        sides[section == new].append(example)
    train, test = (
        [side[i] for i in generator.permutation(len(side))[:most].tolist()]
        for side, most in zip(sides, (trained, tested), strict=True)
    )
    source = f"included corpus, {'with' if known else 'without'} {new}"
    return rows_of(train + test if known else train, source), pairs(rows_of(test, source))


@cache
def _pairs() -> tuple[tuple[str, Example], ...]:
    corpus = debian()
    return tuple((corpus.sections[example.line - 1], example) for example in corpus.train.examples)


def section_bert(data: object, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, with random weights; it reads 32 tokens, the same 8,000 for every seed."""
    del data
    size = {"width": _WIDTH, "heads": 2, "spread": _WIDTH**-0.5, "max_seq_length": _LENGTH}
    return small_transformer(_texts(), seed=seed, normalize=False, **size)


@cache
def _texts() -> tuple[str, ...]:
    return tuple(text for _, example in _pairs()[::4] for text in (example.anchor, *example.positives))


def in_its_corpus(figure: Figure) -> Figure:
    """A figure of an encoder that has read a sample of what is searched, where it is one that reads a context."""

    def measure(made: Made) -> float:
        encoder = made.encoder
        if isinstance(encoder, ContextualEncoder):
            assert isinstance(made.parts[1], Collection)
            # its weights are shared, and what it has read is not
            encoder = copy.copy(encoder)
            encoder.read(made.parts[1].corpus.texts, made.seed)
        return figure.of(replace(made, encoder=encoder))

    return Figure(f"{figure.name}, the corpus read", measure, figure.spread)


FOUND = found("ndcg@10")
FOUND_IN_CORPUS = in_its_corpus(FOUND)
NEAREST_IN_CORPUS = in_its_corpus(nearest_other)

NEW_SECTION = Testbed(
    "a new section",
    new_section,
    f"included corpus: {_TRAINED:,} titles with descriptions of all sections but one to train on, {_TESTED:,} titles "
    f"of the one, by turns {', '.join(SECTIONS)}, against as many descriptions for test; a BERT in miniature (2 layers "
    f"of {_WIDTH}) of random weights that reads {_LENGTH} tokens, 400 steps of 64 at a rate of 2e-3",
    section_bert,
    steps=400,
    settings=FEW_LAYERS | {"batch_size": 64, "learning_rate": 2e-3, "accumulate": 1},
    raw=TF_IDF,
    figures=(FOUND_IN_CORPUS,),
)
KNOWN_SECTION = replace(NEW_SECTION, name="a known section", parts=known_section, steps=1600)
"""The test's pairs are among those of training; four times the steps."""
FEW_OF_A_SECTION = replace(
    NEW_SECTION,
    name="a new section, few",
    parts=partial(new_section, trained=512, tested=100),
    about="included corpus: 512 titles with descriptions of all sections but one to train on, 100 of the one for test; "
    "a BERT of one layer of 32 with random weights that reads 24 tokens, 40 steps of 16 at a rate of 2e-3",
    start=narrow_bert,
    steps=40,
    settings=NEW_SECTION.settings | {"batch_size": 16},
)
