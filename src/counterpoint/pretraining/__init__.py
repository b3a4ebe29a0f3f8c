"""Encoders from texts alone, before any contrast: tokens are guessed."""

from counterpoint.pretraining.masked import MaskedLM
from counterpoint.pretraining.measuring import guesses

__all__ = ["MaskedLM", "guesses"]
