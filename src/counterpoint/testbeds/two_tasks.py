"""Retrieval and likeness in one data set: pairs to be found, and pairs of which is known how alike they are."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from counterpoint.data.items import Data, Items
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import related, scifact, scored_sentences, seen_scifact
from counterpoint.testbeds.texts import LONGER_SCIFACT, SCIFACT
from counterpoint.testbeds.unmarked import FEW_TITLES, few_titles


def both(first: Data, scored: Data, column: str = "score") -> Data:
    """Rows of the first, and as many at most of the scored pairs; column `likeness`: their score, NaN of the first.

    Examples:
        >>> from counterpoint.data import Example
        >>> from counterpoint.data.rows import rows_of
        >>> pairs, scored = rows_of([Example("a", ("b",))]), rows_of([Example("c", ("d",), score=0.5)])
        >>> data = both(pairs, scored)
        >>> data.schema, data.anchor.tolist(), data.positives.tolist(), data.columns["likeness"].tolist()
        ('pairs', [0, 1], [[0], [1]], [nan, 0.5])
    """
    second = scored[torch.arange(min(len(first), len(scored)))]
    assert first.others is not None and first.positives is not None  # noqa: PT018 - pairs
    assert second.others is not None and second.positives is not None  # noqa: PT018 - pairs
    likeness = torch.cat([torch.full((len(first),), torch.nan), second.columns[column].float()])
    return Data(
        Items.cat([first.anchors, second.anchors]),
        torch.cat([first.anchor, second.anchor + len(first.anchors)]),
        Items.cat([first.others, second.others]),
        torch.cat([first.positives[:, :1], second.positives[:, :1] + len(first.others)]),
        columns={"likeness": likeness},
        source=first.source,
    )


def scifact_and_likeness(seed: int, *, seen: bool = False) -> Parts:
    """SciFact's training claims and as many pairs of STS-B; the test is SciFact's; `seen`: with the test's claims."""
    train, test = (seen_scifact if seen else scifact)(seed)
    return both(train, scored_sentences(seed)[0]), test


def few_of_both(seed: int) -> Parts:
    """500 titles with descriptions, and 150 pairs of the included corpus of which is known how alike they are."""
    train, test = few_titles(seed)
    return both(train, related(seed)[0], "label"), test


TWO_TASKS = replace(
    SCIFACT,
    name="SciFact and STS-B",
    parts=scifact_and_likeness,
    about="SciFact: 807 claims to train on, with as many scored pairs of STS-B, and 300 claims against 5,183 abstracts "
    "for test; a table of token vectors that was trained on titles and abstracts by InfoNCE for 200 steps, then 200 "
    "steps at a rate of 0.002",
)
LONGER_TWO_TASKS = replace(
    LONGER_SCIFACT, name="SciFact and STS-B, all claims", parts=partial(scifact_and_likeness, seen=True)
)
FEW_TWO_TASKS = replace(
    FEW_TITLES,
    name="titles, 500, and likeness",
    parts=few_of_both,
    about=f"{FEW_TITLES.about}; of 150 further pairs it is known how alike they are",
)
