"""Texts with answers that nobody has marked, and a few titles, over which negatives are mined in a moment."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool

from counterpoint.data.items import Data, Items
from counterpoint.negatives.rules import Candidates
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import scifact, some_titles
from counterpoint.testbeds.texts import SCIFACT, SMALL_TITLES

_KEPT, _FEW = 0.7, 500


def few_titles(seed: int) -> Parts:
    """500 titles of the included corpus with their descriptions and nothing else; the test is that of `some_titles`."""
    return _few(), some_titles(seed)[1]


def few_copies(seed: int) -> Parts:
    """The same with a copy of each description (`with_copies`)."""
    return with_copies(_few(), seed), some_titles(seed)[1]


def scifact_copies(seed: int) -> Parts:
    """SciFact with a copy of each abstract that answers a training claim (`with_copies`); the test is as it was."""
    train, test = scifact(seed)
    return with_copies(train, seed), test


def with_copies(data: Data, seed: int) -> Data:
    """Beside every document that is an answer another that says the same in seven tenths of its words, and is unmarked.

    The copies stand after all documents, in the order of what they are copies of, and are called "copy".

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> data = with_copies(rows_of([Example("a", ("b c d e",), ("f",))]), 0)
        >>> len(data.others), set(data.others.texts[2].split()) <= set("bcde"), data.positives.tolist()
        (3, True, [[0]])
    """
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    generator, texts, m = np.random.default_rng(seed), list(data.others.texts), len(data.others)
    for i in sorted(set(data.positives[data.positives >= 0].tolist())):
        words = np.array(texts[i].split())
        texts.append(" ".join(words[generator.random(len(words)) < _KEPT]) or texts[i].lower())
    return replace(data, others=Items("text", texts, names=[""] * m + ["copy"] * (len(texts) - m)))


def half_labelled(data: Data, seed: int) -> Data:
    """Half of the rows, drawn by the seed, without their answer: questions that nobody has answered.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> half_labelled(rows_of([Example("a", ("b",)), Example("c", ("d",))]), 0).positives.tolist()
        [[-1], [1]]
    """
    assert data.positives is not None
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    positives = data.positives.clone()
    positives[order[: len(data) // 2]] = -1
    return replace(data, positives=positives)


def few_half_labelled(seed: int) -> Parts:
    """`few_copies`, half of them without their answer."""
    train, test = few_copies(seed)
    assert isinstance(train, Data)
    return half_labelled(train, seed), test


def scifact_half_labelled(seed: int) -> Parts:
    """`scifact_copies`, half of the claims without their answer."""
    train, test = scifact_copies(seed)
    return half_labelled(train, seed), test


def no_copy(found: Candidates) -> Bool[np.ndarray, "b k"]:
    """A rule for who knows which documents are copies."""
    assert found.data.others is not None
    original_m = np.array([name != "copy" for name in found.data.others.names] or [True] * len(found.data.others))
    return np.asarray(original_m[found.ids_bk])


@cache
def _few() -> Data:
    data = some_titles(0)[0][torch.arange(_FEW)]
    assert data.others is not None and data.positives is not None  # noqa: PT018 - pairs
    rows = torch.arange(_FEW)
    own = data.others[data.positives[:, 0]]
    return Data(data.anchors[data.anchor], rows, own, rows[:, None], source="included corpus, few titles")


FEW_TITLES = replace(
    SMALL_TITLES,
    name="titles, 500",
    parts=few_titles,
    about="included corpus: 500 titles with descriptions to train on, 1,500 held-out titles against 3,000 "
    "descriptions; a random table of token vectors (20,000 x 256) from scratch, 60 steps at a rate of 0.02",
)
FEW_COPIES = replace(
    FEW_TITLES,
    name="titles, 500, unmarked copies",
    parts=few_copies,
    about="the same with a copy of each training description in seven tenths of its words, which nobody has marked",
)
FEW_HALF_LABELLED = replace(
    FEW_COPIES,
    name="titles, 500, unmarked copies, half labelled",
    parts=few_half_labelled,
    about="the same with half of the titles without their description",
)
UNMARKED = replace(
    SCIFACT,
    name="SciFact, unmarked copies",
    parts=scifact_copies,
    about="SciFact: 807 claims to train on, 300 against 5,183 abstracts for test; of each abstract that answers a "
    "training claim there is a copy in seven tenths of its words, which nobody has marked; a table of token vectors "
    "that was trained on titles and abstracts by InfoNCE for 200 steps, then 200 steps at a rate of 0.002",
)
HALF_LABELLED = replace(
    UNMARKED,
    name="SciFact, unmarked copies, half labelled",
    parts=scifact_half_labelled,
    about=f"{UNMARKED.about}; half of the claims are without their abstract",
)
