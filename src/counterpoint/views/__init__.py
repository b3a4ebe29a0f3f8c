"""Views: how positives are made, one file a modality."""

from counterpoint.views.images import ImageBatches, View, affine, blur, brightness, compose, noise
from counterpoint.views.masking import MaskedLM
from counterpoint.views.sequences import SequenceBatches
from counterpoint.views.texts import delete_words, shuffle_partners

__all__ = [
    "ImageBatches",
    "MaskedLM",
    "SequenceBatches",
    "View",
    "affine",
    "blur",
    "brightness",
    "compose",
    "delete_words",
    "noise",
    "shuffle_partners",
]
