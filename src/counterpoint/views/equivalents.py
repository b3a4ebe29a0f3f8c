"""Pairs of sentences that mean the same by a law of logic, or only look so: for a model that reads both at once."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError
from counterpoint.views._draw import below
from counterpoint.views.logic import equivalents

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

SEPARATOR = " [SEP] "
"""Between two texts that are read as one: BERT's own token, where a tokenizer knows it."""
LAWS = {"implication": 0.485, "commutation": 0.26, "contraposition": 0.245, "double negation": 0.01}
"""How often each is drawn: roughly the shares of the authors' 14,180 pairs."""
_SUBJECTS = (
    "Anne, Bob, the cat, the dog, the bear, the lion, the teacher, the driver, the baker, the farmer, the window, "
    "the river, the road, the house, the garden, the letter, Carol, David, the horse, the mouse, the doctor, the "
    "singer, the table, the boat"
)
_OPPOSITES = (
    "big small, old new, rich poor, strong weak, quick slow, warm cold, wet dry, clean dirty, happy sad, loud quiet, "
    "heavy light, hard soft, kind cruel, bright dark, wide narrow, safe dangerous"
)


def law_pairs(number: int = 4000, *, new: bool = False) -> Prepare:
    """A step before training: whatever the data, pairs of sentences as one text each, `label` 1 if they are equivalent.

    Sentences are "If A, then B", "A and B", "A or B" or "A", where A and B are of the form "X is [not] Y" and drawn,
    and so is the law; each stands once with what it is equivalent to and once with what only looks so
    (`counterpoint.views.logic.equivalents`). Source: Bao et al. 2024, "Abstract Meaning Representation-Based
    Logic-Driven Data Augmentation for Logical Reasoning" (AMR-LE, its synthetic data), whose sentences go through
    graphs and a generator; here they are what the laws say.

    Args:
        number: Of pairs, half of them equivalent.
        new: Of subjects and adjectives that the others do not have, a third of all, for a test.

    Raises:
        InputError: Fewer than two pairs.

    Examples:
        >>> data = law_pairs(2)(Data.alone(Items("text", ["a"])), nn.Identity(), 0)
        >>> data.columns["label"].tolist(), data.anchors.texts[0].count(SEPARATOR)
        ([1, 0], 1)
    """
    if number < 2:
        raise InputError(f"{number} pairs of sentences", fix="give 2 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del data, encoder
        generator = torch.Generator().manual_seed(seed)
        lists = (of.split(", ") for of in (_SUBJECTS, _OPPOSITES))
        subjects, opposites = ([x for i, x in enumerate(of) if (i % 3 == 2) == new] for of in lists)
        turned = {a: b for pair in opposites for a, b in (pair.split(), pair.split()[::-1])}
        clauses = [f"{x} is {no}{y}" for x, no, y in product(subjects, ("", "not "), turned)]

        def clause() -> str:
            return clauses[below(len(clauses), generator)]

        texts: list[str] = []
        while len(texts) < number:
            law = list(LAWS)[int(torch.multinomial(torch.tensor(list(LAWS.values())), 1, generator=generator))]
            a, b = clause(), clause()
            if law == "double negation":
                said = a
            elif law == "commutation":
                said = f"{a} and {b}"
            else:
                said = f"{a} or {b}" if law == "implication" and below(2, generator) else f"if {a}, then {b}"
            sentence = f"{said[0].upper()}{said[1:]}."
            # of "or" both laws are known, and of "if": the one that was drawn is asked for
            found = equivalents(sentence, lambda word: [turned[word]] if word in turned else [])
            texts += [sentence + SEPARATOR + other for other in found[law]]
        label = (torch.arange(len(texts)) + 1) % 2
        return Data.alone(Items("text", texts), source="laws of logic", label=label)

    return prepare


def joined(data: Data) -> Data:
    """Pairs as one text each, their first positive after the separator, with their columns.

    Raises:
        InputError: They are no pairs of texts.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> joined(rows_of([Example("a cat", ("an animal",), label="yes")])).anchors.texts
        ['a cat [SEP] an animal']
    """
    if data.others is None or data.positives is None:
        raise InputError("there are no pairs to be joined", file=data.source or None, fix="give pairs of texts")
    first, second = data.anchors.texts, data.others.texts
    rows = zip(data.anchor.tolist(), data.positives[:, 0].tolist(), strict=True)
    texts = [first[i] + SEPARATOR + second[j] for i, j in rows]
    return Data.alone(Items("text", texts), source=data.source, classes=data.classes, **data.columns)
