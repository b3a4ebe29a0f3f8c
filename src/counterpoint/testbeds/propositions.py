"""Texts that say several things: captions, of which one part names what is there and the rest says what it does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from counterpoint.data import Example, debian
from counterpoint.data.items import Data, Items
from counterpoint.data.rows import rows_of
from counterpoint.encoders.features import Kind
from counterpoint.encoders.propositions import SEPARATOR, marked
from counterpoint.tasks import Encodes
from counterpoint.testbeds.bed import Figure, Given, Made, Parts, Testbed
from counterpoint.testbeds.captioned import five_captions
from counterpoint.testbeds.figures import recall_within
from counterpoint.testbeds.lexical import TfIdf
from counterpoint.testbeds.phrases import MASK, opening
from counterpoint.testbeds.texts import FEW_LAYERS, QUICK_BERT, SMOLLM2, quick_bert, smollm2

_TESTED, _EXAMPLES, _SHOWN = 200, 250, 50
"""Pictures for test; packages, and of these for test."""


def opening_and_rest(text: str) -> tuple[str, ...]:
    """What a text begins with, without its article, and what follows it; nothing where either is not clear.

    Examples:
        >>> opening_and_rest("A group of people stand in a truck.")
        ('group of people', 'stand in a truck.')
        >>> opening_and_rest("Sleeping on a couch.")
        ()
    """
    said, words = opening(text), text.split()
    if said is None:
        return ()
    begin = said[1].split().index(MASK)
    end = begin + len(said[0].split())
    parts = " ".join(words[begin:end]), " ".join(words[end:])
    return parts if all(any(c.isalnum() for c in part) for part in parts) else ()


def propositions(seed: int) -> Parts:
    """Multi30k (Elliott et al. 2016): five captions a picture; 200 pictures drawn by the seed are the test.

    To train on are pairs of captions of one picture; the test is their openings and what follows, each after its
    caption. Column `label` of the test: the picture and which of both it is.
    """
    pictures = five_captions()
    order = np.random.default_rng(seed).permutation(len(pictures)).tolist()
    return _pairs(order[_TESTED:]), _asked([list(pictures[i]) for i in order[:_TESTED]], "Multi30k")


def all_propositions(seed: int) -> Parts:
    """The same with the test's pictures among those of training."""
    return _pairs(list(range(len(five_captions())))), propositions(seed)[1]


def some_packages(seed: int) -> Parts:
    """The included corpus likewise: titles with descriptions of 200 packages to train on, and of 50 others for test.

    They are those that can be split; of a description the first sentence.
    """
    del seed
    found = _titles()
    train = rows_of([Example(title, (text,)) for title, text in found[_SHOWN:]], "packages")
    return train, _asked([list(pair) for pair in found[:_SHOWN]], "packages")


@cache
def _titles() -> list[tuple[str, str]]:
    both = ((title, text.partition(". ")[0]) for title, text in (e.texts for e in debian().train.examples))
    short = (pair for pair in both if len(pair[1].split()) < 20)
    return list(islice((pair for pair in short if all(map(opening_and_rest, pair))), _EXAMPLES))


def _pairs(chosen: list[int]) -> Data:
    """Every two captions of a picture, one way round."""
    captions = [five_captions()[i] for i in chosen]
    return rows_of([Example(a, (b,)) for own in captions for i, a in enumerate(own) for b in own[:i]], "Multi30k")


def _asked(groups: list[list[str]], source: str) -> Data:
    """Every proposition of texts that belong together."""
    items, label = list[str](), list[int]()
    for number, group in enumerate(groups):
        for text in group:
            for place, part in enumerate(opening_and_rest(text)):
                items.append(marked(text, [part]))
                label.append(2 * number + place)
    return Data.alone(Items("text", items), source=source, label=torch.tensor(label))


class _Part:
    """Tf-idf of the words of a proposition alone."""

    def __init__(self, words: TfIdf) -> None:
        self.words = words

    def encode_items(self, items: Items, *, kind: Kind = None) -> Float[np.ndarray, "n d"]:
        """One row a text."""
        del kind
        return self.words.encode_items(Items("text", [text.rpartition(SEPARATOR)[2] for text in items.texts]))


def _words(parts: Parts) -> Encodes:
    """The idf of the training texts."""
    assert parts[0].others is not None  # pairs
    return _Part(TfIdf([*parts[0].anchors.texts, *parts[0].others.texts]))


def _own(made: Made) -> float:
    z = F.normalize(torch.from_numpy(made.encoder.encode_items(made.test.anchors[made.test.anchor])).float(), dim=1)
    of = defaultdict[str, list[int]](list)
    for i, text in enumerate(made.test.anchors.texts):
        of[text.partition(SEPARATOR)[0]].append(i)
    first, second = torch.tensor([rows[:2] for rows in of.values()]).T
    return float((z[first] * z[second]).sum(1).mean())


likeness_within = Figure("cosine of two propositions of one text", _own)
"""The mean over test texts."""

PROPOSITIONS = Testbed(
    "propositions",
    propositions,
    f"Multi30k: pairs of captions of 814 pictures to train on, openings and rests of captions of {_TESTED} others for "
    f"test; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
    smollm2,
    steps=200,
    settings=FEW_LAYERS | {"batch_size": 64},
    raw=Given("tf-idf of the proposition", _words),
    figures=(recall_within(1),),
)
ALL_PROPOSITIONS = replace(PROPOSITIONS, name="propositions, all pictures", parts=all_propositions, steps=400)
"""With the test's pictures to train on, twice the steps: what can be told."""
PARTS_OF_TITLES = replace(
    PROPOSITIONS,
    name="parts of titles",
    parts=some_packages,
    about="included corpus: titles with the first sentence of their description of 200 packages to train on, openings "
    f"and rests of those of 50 others for test; {QUICK_BERT}, then 40 steps at a rate of 2e-3",
    start=quick_bert,
    steps=40,
    settings=FEW_LAYERS | {"learning_rate": 2e-3},
)
