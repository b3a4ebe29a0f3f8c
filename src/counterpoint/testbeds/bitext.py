"""Sentences and their translations: does a sentence find its own among those of the other language?"""

from __future__ import annotations

import copy
import csv
import gzip
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from counterpoint.data.items import Data, Items
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.evaluate import bitext
from counterpoint.pretraining import MaskedLM
from counterpoint.testbeds.bed import Figure, Made, Parts, Testbed
from counterpoint.testbeds.files import find
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, LIKE_PAIRS, LIKENESS
from counterpoint.testbeds.transfer import random_bert
from counterpoint.training import TrainConfig, train

_TESTED = 0.1
"""Of the English sentences, with all their translations."""
_CAPTIONS = 4000
_WIDTH, _VOCABULARY, _LENGTH, _STEPS = 64, 6000, 48, 300


def tatoeba(seed: int) -> Parts:
    """Tatoeba's test pairs (Artetxe and Schwenk 2019) of 12 languages with English; a tenth for test, by the seed.

    No English sentence of the test is trained on. Column `language`: a number for each.
    """
    train, test = _drawn(seed)
    return _pairs(train), _pairs(test)


def all_tatoeba(seed: int) -> Parts:
    """The same with the pairs of the test among those to train on."""
    train, test = _drawn(seed)
    return _pairs(train | test), _pairs(test)


def _drawn(seed: int) -> tuple[Tensor, Tensor]:
    english = sorted({row["english"] for row in _rows()})
    chosen = np.random.default_rng(seed).permutation(len(english))[: round(_TESTED * len(english))]
    tested = {english[i] for i in chosen}
    test = torch.tensor([row["english"] in tested for row in _rows()])
    return ~test, test


def _pairs(chosen: Tensor) -> Data:
    rows = [_rows()[i] for i in chosen.nonzero()[:, 0].tolist()]
    languages = sorted({row["lang"] for row in _rows()})
    place = {text: i for i, text in enumerate(dict.fromkeys(row["english"] for row in rows))}
    return Data(
        Items("text", [row["sentence"] for row in rows]),
        torch.arange(len(rows)),
        Items("text", list(place)),
        torch.tensor([[place[row["english"]]] for row in rows]),
        columns={"language": torch.tensor([languages.index(row["lang"]) for row in rows])},
        source="Tatoeba",
    )


@cache
def _rows() -> tuple[dict[str, str], ...]:
    with gzip.open(find("tatoeba/tatoeba.tsv.gz"), "rt", encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def polyglot(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, that has guessed masked tokens of all languages' sentences, mean-pooled.

    It has seen which sentences there are to train on, and not which translate which.
    """
    assert data.others is not None
    return copy.deepcopy(_polyglot(_Texts(data, seed)))


def smaller_random_bert(data: Data, seed: int) -> TransformerEncoder:
    """The same with random weights, large enough for it to tell texts apart."""
    return random_bert(data, seed, _WIDTH, _LENGTH)


class _Texts:
    """Data by where they are from and how many: with the seed, which they are."""

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.name = data, (data.source, len(data.anchors), seed)

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Texts) and other.name == self.name


@cache
def _polyglot(of: _Texts) -> TransformerEncoder:
    assert of.data.others is not None
    texts = [*of.data.anchors.texts, *of.data.others.texts]
    options = {"width": _WIDTH, "vocab_size": _VOCABULARY, "spread": _WIDTH**-0.5, "max_seq_length": _LENGTH}
    encoder = small_transformer(texts, heads=2, normalize=False, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        masked = MaskedLM(encoder, texts)
    settings = TrainConfig(steps=_STEPS, batch_size=128, learning_rate=2e-3, validations=1, chunk_tokens=1 << 20)
    train(masked, masked, masked.objective(), settings)
    return encoder


@cache
def translated(metric: str = "accuracy") -> Figure:
    """How often a sentence finds its translation among the test sentences of the other language (`evaluate.bitext`).

    The mean of both directions, then over languages. `accuracy` is by the cosine, `margin accuracy` by the margin.
    """

    def measure(made: Made) -> float:
        test = made.test
        assert test.others is not None and test.positives is not None  # noqa: PT018 - pairs
        sides = (test.anchors[test.anchor], test.others[test.positives[:, 0]])
        x, y = (made.encoder.encode_items(side) for side in sides)
        found = []
        for language in test.columns["language"].unique():
            at = (test.columns["language"] == language).numpy()
            texts = tuple([text for text, own in zip(side.texts, at, strict=True) if own] for side in sides)
            figures = bitext(x[at], y[at], texts=(texts[0], texts[1]), samples=0)
            found.append((figures[metric].value + figures[f"{metric} back"].value) / 2)
        return float(np.mean(found))

    return Figure(f"{metric} of finding the translation", measure)


def czech(seed: int) -> Parts:
    """Multi30k (Elliott et al. 2016): 4,000 captions in Czech with English, drawn by the seed; its test of 2016."""
    drawn = np.random.default_rng(seed).permutation(len(_captions("train")))[:_CAPTIONS]
    return _captioned([_captions("train")[i] for i in np.sort(drawn)]), _captioned(_captions("test_2016_flickr"))


def all_czech(seed: int) -> Parts:
    """The same with the captions of the test among those to train on."""
    train, test = czech(seed)
    assert train.others is not None
    pairs = list(zip(train.anchors.texts, train.others.texts, strict=True))
    return _captioned([*pairs, *_captions("test_2016_flickr")]), test


def _captioned(pairs: Sequence[tuple[str, str]]) -> Data:
    row = torch.arange(len(pairs))
    first, second = (Items("text", list(side)) for side in zip(*pairs, strict=True))
    return Data(first, row, second, row[:, None], columns={"language": torch.zeros_like(row)}, source="Multi30k, Czech")


@cache
def _captions(part: str) -> tuple[tuple[str, str], ...]:
    with gzip.open(find(f"multi30k/{part}.tsv.gz"), "rt", encoding="utf-8", newline="") as file:
        return tuple((row["cs"], row["en"]) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


_START = (
    f"a BERT in miniature (2 layers of {_WIDTH}) after {_STEPS} steps of masked language modelling on the sentences "
    "of all languages"
)
TATOEBA = Testbed(
    "Tatoeba",
    tatoeba,
    "Tatoeba: about 10,000 sentences of 12 languages with their English translation to train on, about 1,100 others "
    f"for test; {_START}, then 200 steps of 64 at a rate of 2e-3",
    polyglot,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64, "accumulate": 1, "learning_rate": 2e-3},
    raw=TF_IDF,
    figures=(translated(), translated("margin accuracy")),
)
ALL_TATOEBA = replace(
    TATOEBA,
    name="Tatoeba, all",
    parts=all_tatoeba,
    about="the same with the pairs of the test among those to train on, and 1,000 steps",
    steps=1000,
)
LIKE_TEXTS = replace(
    LIKE_PAIRS,
    name="likeness, pairs by BERT",
    about="2,000 titles of the included corpus with their descriptions to train on; 300 held-out titles with their own "
    f"description, one of the same section and one of another; a BERT in miniature (2 layers of {_WIDTH}) of random "
    "weights, 40 steps at a rate of 2e-3",
    start=smaller_random_bert,
    settings=LIKENESS.settings | {"accumulate": 1},
)
"""What tests take for translations: titles and their descriptions."""
CZECH = replace(
    TATOEBA,
    name="Czech captions",
    parts=czech,
    about=f"Multi30k: {_CAPTIONS:,} captions in Czech and English to train on, drawn by the seed, and the 1,000 of its "
    f"test of 2016; {_START}, then 400 steps of 64 at a rate of 2e-3",
    steps=400,
)
ALL_CZECH = replace(
    CZECH,
    name="Czech captions, all",
    parts=all_czech,
    about="the same with the captions of the test among those to train on, and 1,000 steps",
    steps=1000,
)
