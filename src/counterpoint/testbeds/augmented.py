"""Testbeds for few labels with altered texts beside them, at the rates that arms say, and how classes lie there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from counterpoint.data.items import Items
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.figures import labels
from counterpoint.testbeds.sorted_texts import ALL_QUESTIONS, FEWER_QUESTIONS, SECTIONS
from counterpoint.views.text_view import one_of
from counterpoint.views.words import WordView, deletion, swap

SHARE = 0.1
"""Of the words that are changed, EDA's."""


def easy() -> WordView:
    """Of easy data augmentation what needs no thesaurus: words are swapped, or left out; each for half of the texts."""
    return one_of(swap(SHARE), deletion(SHARE))


def _separated(made: Made) -> float:
    from sklearn.metrics import silhouette_score

    test, view = made.test, easy()
    generator = torch.Generator().manual_seed(made.seed)
    texts = [view(text, generator) for text in test.anchors[test.anchor].texts]
    z = made.encoder.encode_items(Items("text", texts))
    return float(silhouette_score(z, labels(test), metric="cosine"))


separated = Figure("silhouette of classes of altered test texts", _separated)
"""From -1 to 1, by the cosine: how much nearer an altered text is to those of its class than to those of another."""


def _own_rates(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "learning_rate"}


FEW_LABELS = replace(
    FEWER_QUESTIONS,
    name="TREC, fewer, own rates",
    settings=_own_rates(FEWER_QUESTIONS.settings),
    about=FEWER_QUESTIONS.about.replace(" at a rate of 5e-4", " at a rate of the arm's own"),
)


ALL_LABELS = replace(
    ALL_QUESTIONS,
    name="TREC, own rates",
    settings=_own_rates(ALL_QUESTIONS.settings),
    about=ALL_QUESTIONS.about.replace(" at a rate of 5e-4", " at a rate of the arm's own"),
)


FEW_SECTIONS = replace(
    SECTIONS,
    name="sections, own rates",
    settings=_own_rates(SECTIONS.settings),
    about=SECTIONS.about.replace(" at a rate of 2e-3", " at a rate of the arm's own"),
)
