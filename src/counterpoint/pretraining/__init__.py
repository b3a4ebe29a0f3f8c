"""Encoders from texts alone, before any contrast: tokens are guessed."""

from counterpoint.pretraining.masked import MaskedLM
from counterpoint.pretraining.measuring import guesses
from counterpoint.pretraining.run import Pretrained, pretrain

__all__ = ["MaskedLM", "Pretrained", "guesses", "pretrain"]
