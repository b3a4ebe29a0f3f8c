"""Sentences with versions in which rules filled masks in, and one who grades pairs in place of a language model."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn

from counterpoint.data.items import Data
from counterpoint.generating import Answer, Generator, Request, Rules, pairs_written
from counterpoint.generating.pairs import MASK
from counterpoint.testbeds.bed import Parts
from counterpoint.testbeds.corpora import like_pairs, sentences
from counterpoint.testbeds.texts import LIKENESS, SENTENCES, SMOLLM2
from counterpoint.testbeds.triplets import Judge

TEXTS = 300
"""Of SNLI and STS-B, with nine versions each."""


def followers(texts: Sequence[str]) -> Callable[[str, random.Random], str]:
    """A rule that fills each mask of a prompt's last line with a word that follows the one before somewhere in texts.

    Where there is no mask it leaves a word out.

    Args:
        texts: Whose words they are.

    Examples:
        >>> write = followers(["one dog runs"])
        >>> write("Fill in.\\n\\none <mask> runs", random.Random(0)), write("Say:\\none two", random.Random(0))
        ('one dog runs', 'one')
    """
    following = defaultdict[str, list[str]](list)
    for text in texts:
        for before, word in pairwise(["", *text.split()]):
            following[before].append(word)
    every = [word for words in following.values() for word in words]

    def write(prompt: str, draw: random.Random) -> str:
        words = prompt.rsplit("\n", 1)[-1].split()
        if MASK not in words and len(words) > 1:
            words.pop(draw.randrange(len(words)))
        for i, word in enumerate(words):
            if word == MASK:
                words[i] = draw.choice(following.get(words[i - 1] if i else "", every))
        return " ".join(words)

    return write


def filled(seed: int) -> Parts:
    """300 sentences of SNLI and STS-B's training part, drawn by the seed, each with nine versions; STS-B for test."""
    whole, test = sentences(seed)
    return _written(whole, TEXTS), test


def filled_titles(seed: int) -> Parts:
    """The same of 10 titles of the included corpus; the test is that of `likeness`."""
    pairs, test = like_pairs(seed)
    return _written(Data.alone(pairs.anchors, source=pairs.source), 10), test


class Grader(Judge):
    """all-MiniLM-L6-v2 in place of a language model: the cosine of a prompt's last two lines, in tenths, or 0."""

    identity = "the cosine of all-MiniLM-L6-v2, in tenths"

    def answers(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
        """Of all, in their order."""
        for request, answer in super().answers(requests):
            yield request, Answer(f"{float(answer.text) / 5:.1f}")


def _written(data: Data, most: int) -> Data:
    writer = Rules(followers(data.anchors.texts), name="followers")
    return pairs_written(Generator(writer))(data[torch.arange(most)], nn.Identity(), 0)


FILLED = replace(
    SENTENCES,
    name="STS-B, filled in",
    parts=filled,
    about=f"{TEXTS} sentences of SNLI and STS-B, each with nine versions by rules, in which up to 80% of the words are "
    f"others, to train on, STS-B's test pairs; {SMOLLM2}, then 200 steps of 64 at a rate of 5e-4",
)
FILLED_TITLES = replace(
    LIKENESS,
    name="likeness, filled in",
    parts=filled_titles,
    about="10 titles of the included corpus, each with nine versions by rules, to train on; otherwise as likeness",
)
