"""Views: how positives are made, one file a modality."""

from counterpoint.pretraining.masked import MaskedLM
from counterpoint.views.colour import grey, jitter, recolour
from counterpoint.views.corruptions import low_contrast, pixelated
from counterpoint.views.crops import boxes, crop, multi_crop, quarter_turns
from counterpoint.views.images import View, affine, blur, brightness, compose, noise
from counterpoint.views.texts import delete_words, shuffle_partners

__all__ = [
    "MaskedLM",
    "View",
    "affine",
    "blur",
    "boxes",
    "brightness",
    "compose",
    "crop",
    "delete_words",
    "grey",
    "jitter",
    "low_contrast",
    "multi_crop",
    "noise",
    "pixelated",
    "quarter_turns",
    "recolour",
    "shuffle_partners",
]
