"""Lists of texts in order, which rules write in place of a language model: each has one word less of the first."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.generating import Generator, Rules, rewritten
from counterpoint.methods import Recipe, Stage, Takes
from counterpoint.objectives import InfoNCE
from counterpoint.testbeds.bed import Parts, Testbed
from counterpoint.testbeds.corpora import inferences, likeness, sentences
from counterpoint.testbeds.figures import spearman
from counterpoint.testbeds.lexical import TF_IDF
from counterpoint.testbeds.texts import FEW_LAYERS, LIKENESS, SMOLLM2, alignment_of_like, smollm2
from counterpoint.training import TrainConfig

ROUNDS = 15
"""Rewrites of a text: a sentence has about ten words."""


def drifting(texts: Sequence[str]) -> Callable[[str, random.Random], str]:
    """A rule that leaves a word of the prompt's last line out, or puts one of these texts in its place.

    What it does follows from the prompt alone.

    Args:
        texts: Whose words are put in.

    Examples:
        >>> write = drifting(["owl"])
        >>> write("Rewrite it.\\n\\ncat dog", random.Random(0)) in ("cat", "dog", "owl dog", "cat owl")
        True
    """
    words = [word for text in texts for word in text.split()]

    def write(prompt: str, draw: random.Random) -> str:
        del draw
        own, chosen = prompt.rsplit("\n", 1)[-1].split(), random.Random(prompt)
        place = chosen.randrange(len(own))
        new = chosen.choice(words)
        # a text that stayed the same would stay so for good
        replaced = new != own[place] and (len(own) < 4 or chosen.random() < 0.5)
        own[place : place + 1] = [new] * replaced
        return " ".join(own)

    return write


def lists(seed: int) -> Parts:
    """400 sentences of SNLI and STS-B's training part, drawn by the seed, each with its rewrites; STS-B for test."""
    whole, test = sentences(seed)
    return _written(whole, 400), test


def title_lists(seed: int) -> Parts:
    """300 descriptions of the included corpus with their rewrites; the test is that of `likeness`."""
    whole, test = likeness(seed)
    return _written(whole, 300), test


def trained_smollm2(data: Data, seed: int) -> TransformerEncoder:
    """A copy of what `smollm2` is after 100 steps of InfoNCE on SNLI's triplets: an encoder of sentences to go on with.

    It is the same for every seed.
    """
    del data, seed
    return copy.deepcopy(_trained())


def _written(data: Data, most: int) -> Data:
    some = data[torch.arange(min(most, len(data)))]
    writer = Rules(drifting(data.anchors.texts), name="drifting")
    return rewritten(Generator(writer), ROUNDS)(some, nn.Identity(), 0)


@cache
def _trained() -> TransformerEncoder:
    data = inferences(0)[0]
    train = TrainConfig(steps=100, validations=1, **FEW_LAYERS)
    recipe = Recipe("InfoNCE", (Stage(lambda: InfoNCE(0.05), train),), Takes("text", "text"), smollm2)
    encoder = recipe.make(data)[0]
    assert isinstance(encoder, TransformerEncoder)
    return encoder


LISTS = Testbed(
    "STS-B, lists",
    lists,
    f"400 sentences of SNLI and STS-B, each with {ROUNDS} rewrites by rules, to train on, STS-B's test pairs; "
    f"{SMOLLM2}, after 100 steps on SNLI's triplets, then 200 steps of a list at a rate of 5e-5",
    trained_smollm2,
    steps=200,
    settings=FEW_LAYERS | {"learning_rate": 5e-5},
    raw=TF_IDF,
    figures=(spearman, alignment_of_like),
)
TITLE_LISTS = replace(
    LIKENESS,
    name="likeness, lists",
    parts=title_lists,
    about=f"300 descriptions of the included corpus, each with {ROUNDS} rewrites by rules, to train on; otherwise as "
    "likeness",
)
