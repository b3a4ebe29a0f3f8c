"""What could be reached on captions by the picture that they are of: with pictures that are told."""

from __future__ import annotations

from counterpoint.methods import Recipe, Takes
from counterpoint.systems.registry import Claim
from counterpoint.systems.sentences.simcse import simcse
from counterpoint.testbeds import Richer, Trained
from counterpoint.testbeds.captioned import CAPTIONED, PAIRED_CAPTIONS
from counterpoint.testbeds.figures import recall_within

ANOTHER = recall_within(1, "picture")
"""Whether the nearest of all captions is another one of the same picture."""


def other_captions() -> Recipe:
    """SimCSE whose positives are other captions of the same picture."""
    return simcse().varied("SimCSE of other captions", takes=Takes("text", "text"))


CEILING = Richer(Trained(other_captions), PAIRED_CAPTIONS)


def on_captions(text: str, against: str, baseline: Trained) -> Claim:
    """A claim of a system that trains as SimCSE does."""
    return Claim(text, ANOTHER, against, CAPTIONED, baseline, ceiling=CEILING)
