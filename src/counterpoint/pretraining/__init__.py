"""Encoders from texts alone, before any contrast: tokens are guessed."""

from counterpoint.pretraining._base import Guessing, transformer
from counterpoint.pretraining.across import CrossUnmasking
from counterpoint.pretraining.adversarial import AdversarialAutoencoder
from counterpoint.pretraining.autoencoder import MaskedAutoencoder
from counterpoint.pretraining.bottleneck import Condenser, RetroMAE
from counterpoint.pretraining.contextual import CoTMAE, QueryDecoding
from counterpoint.pretraining.continuing import (
    Continuation,
    ContrastedContinuation,
    MarginContinuation,
    continued,
    log_likelihood,
)
from counterpoint.pretraining.contrasted import ReplacedAndContrasted
from counterpoint.pretraining.denoising import Denoising
from counterpoint.pretraining.distributions import MaskedAndContrasted, WordDistributions
from counterpoint.pretraining.filling import filled_in, with_rarity, with_tokens
from counterpoint.pretraining.groups import CoCondenser, Groups
from counterpoint.pretraining.left_out import LeftOutWords
from counterpoint.pretraining.masked import MaskedLM
from counterpoint.pretraining.measuring import guesses
from counterpoint.pretraining.multitask import MASTER
from counterpoint.pretraining.negatives import TrueNegatives
from counterpoint.pretraining.nuggets import NuggetAutoencoder
from counterpoint.pretraining.replaced import ReplacedTokens
from counterpoint.pretraining.separation import SourceSeparation
from counterpoint.pretraining.span_prediction import SpanPrediction
from counterpoint.pretraining.synonyms import neighbour_tokens, synonym_tokens
from counterpoint.pretraining.token_graph import TokenGraph

__all__ = [
    "MASTER",
    "AdversarialAutoencoder",
    "CoCondenser",
    "CoTMAE",
    "Condenser",
    "Continuation",
    "ContrastedContinuation",
    "CrossUnmasking",
    "Denoising",
    "Groups",
    "Guessing",
    "LeftOutWords",
    "MarginContinuation",
    "MaskedAndContrasted",
    "MaskedAutoencoder",
    "MaskedLM",
    "NuggetAutoencoder",
    "QueryDecoding",
    "ReplacedAndContrasted",
    "ReplacedTokens",
    "RetroMAE",
    "SourceSeparation",
    "SpanPrediction",
    "TokenGraph",
    "TrueNegatives",
    "WordDistributions",
    "continued",
    "filled_in",
    "guesses",
    "log_likelihood",
    "neighbour_tokens",
    "synonym_tokens",
    "transformer",
    "with_rarity",
    "with_tokens",
]
