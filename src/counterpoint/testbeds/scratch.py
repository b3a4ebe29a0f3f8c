"""Random weights as a start, and how many of its dimensions an encoder has for the tokens of real texts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.encoders.scratch import small_transformer
from counterpoint.evaluate import effective_rank
from counterpoint.pretraining import transformer
from counterpoint.testbeds.bed import Figure, Made
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.texts import LIKENESS, QUICK_BERT, SENTENCES
from counterpoint.testbeds.transfer import random_bert, transfer

WIDTH = 64
_LENGTH, _SHORT, _TEXTS = 32, 16, 512


def scratch_bert(data: Data, seed: int) -> TransformerEncoder:
    """A BERT in miniature, 2 layers of 64, with random weights and 8,000 tokens made of the bed's texts, mean-pooled.

    The tokens are the same for every seed.
    """
    size = {"width": WIDTH, "heads": 2, "spread": WIDTH**-0.5, "max_seq_length": _LENGTH}
    return small_transformer(sorted(data.anchors.texts), seed=seed, normalize=False, **size)


def shorter_random_bert(data: Data, seed: int) -> TransformerEncoder:
    """Random weights large enough for it to tell texts apart, of which it reads 16 tokens."""
    return random_bert(data, seed, WIDTH, _SHORT)


def guesser(made: Made) -> TransformerEncoder:
    """The transformer that was trained.

    Raises:
        InputError: It is none.
    """
    assert isinstance(made.encoder, nn.Module)
    return transformer(made.encoder)


def _rank(made: Made) -> float:
    encoder = guesser(made)
    features = encoder.tokenize(made.test.anchors[made.test.anchor].texts[:_TEXTS])
    was = encoder.training
    encoder.eval()
    with torch.no_grad():
        states = encoder._hidden({name: value.to(encoder.device) for name, value in features.items()}).float().cpu()
    encoder.train(was)
    return effective_rank(states[~torch.isin(features["input_ids"], torch.tensor(sorted(encoder.special_tokens)))])


token_rank = Figure("effective rank of real tokens", _rank)
"""Roy and Vetterli's, of the last states of all tokens but special ones, of 512 test texts; nothing is masked."""

SCRATCH = replace(
    SENTENCES,
    name="sentences, from scratch",
    about="28,000 sentences of SNLI and STS-B to train on, STS-B's test pairs, and 500 texts each of MR, SUBJ and TREC "
    f"for probes, as many for their test; a BERT in miniature (2 layers of {WIDTH}) of random weights, 500 steps of "
    "64 at a rate of 2e-3",
    start=scratch_bert,
    steps=500,
    settings={**SENTENCES.settings, "batch_size": 64, "learning_rate": 2e-3},
    figures=(transfer, spearman),
)
LIKE_SCRATCH = replace(
    LIKENESS,
    name="likeness, from scratch",
    about=LIKENESS.about.replace(
        QUICK_BERT, f"a BERT in miniature (2 layers of {WIDTH}) of random weights that reads 16 tokens"
    ),
    start=shorter_random_bert,
)
"""What tests take: few steps of guessing make all texts alike, where weights are not so large."""
