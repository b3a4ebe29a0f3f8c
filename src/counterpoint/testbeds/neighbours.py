"""Whether texts that are nearly the same word for word have vectors that are near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int

from counterpoint.data.items import Data
from counterpoint.encoders import TransformerEncoder
from counterpoint.testbeds.bed import Figure, Made, Parts
from counterpoint.testbeds.captioned import CAPTIONED, captioned
from counterpoint.testbeds.corpora import likeness
from counterpoint.testbeds.figures import representation
from counterpoint.testbeds.texts import LIKENESS
from counterpoint.testbeds.transfer import random_bert

_TESTED, _NEAREST, _WIDTH, _LENGTH = 500, 10, 64, 32


def edits(texts: Sequence[str]) -> Int[np.ndarray, "n n"]:
    """How many words must be added, left out or replaced to make one text of another (Levenshtein 1966).

    Args:
        texts: Words stand between blanks; their case does not count.

    Examples:
        >>> edits(["a red cat", "A cat", "the red dog"]).tolist()
        [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
    """
    words = [text.lower().split() for text in texts]
    number = {word: i for i, word in enumerate(sorted({word for row in words for word in row}))}
    lengths, n = np.array([len(row) for row in words]), len(words)
    ids = np.full((n, lengths.max()), -1)
    for row, own in zip(ids, words, strict=True):
        row[: len(own)] = [number[word] for word in own]
    # of each pair the distances of the first i words of one to the first j of the other, i after i
    above = np.broadcast_to(np.arange(ids.shape[1] + 1), (n, n, ids.shape[1] + 1))
    found = np.where(lengths[:, None] == 0, lengths, 0)
    for i in range(ids.shape[1]):
        row = np.empty_like(above)
        row[..., 0] = i + 1
        for j in range(ids.shape[1]):
            same = ids[:, i, None] == ids[None, :, j]
            row[..., j + 1] = np.minimum(np.minimum(above[..., j + 1], row[..., j]) + 1, above[..., j] + ~same)
        done = lengths == i + 1
        found[done] = np.take_along_axis(row[done], np.broadcast_to(lengths, (done.sum(), n))[..., None], 2)[..., 0]
        above = row
    return found


def _neighbours(made: Made) -> float:
    z = torch.from_numpy(representation(made, made.test))
    near = torch.cdist(z, z).fill_diagonal_(torch.inf).topk(_NEAREST, largest=False).indices.numpy()
    distance = edits(made.test.anchors[made.test.anchor].texts).astype(float)
    np.fill_diagonal(distance, np.inf)
    # all that are as near as the tenth count
    least = np.sort(distance, 1)[:, _NEAREST - 1 : _NEAREST]
    return float(np.take_along_axis(distance <= least, near, 1).mean())


neighbours = Figure(f"share of {_NEAREST} nearest vectors whose texts are the nearest by words", _neighbours)
"""By edit distance of words, those as near as the tenth among them; by Euclidean distance of vectors as they are."""


def captions_alone(seed: int) -> Parts:
    """8,570 captions to train on; for test one of each of 500 other pictures."""
    train, test = captioned(seed)
    assert isinstance(test, Data)
    return train, test[torch.arange(0, len(test), len(test) // _TESTED)]


def some_descriptions(seed: int) -> Parts:
    """The included corpus: 2,000 descriptions to train on, 300 titles for test."""
    train, test = likeness(seed)
    assert isinstance(test, Data)
    return train, Data.alone(test.anchors[test.anchor.unique()], source=test.source)


def short_reader(data: Data, seed: int) -> TransformerEncoder:
    """Random weights large enough for it to tell texts apart, of which it reads 32 tokens."""
    return random_bert(data, seed, _WIDTH, _LENGTH)


CAPTIONS_ALONE = replace(
    CAPTIONED,
    name="captions, rewritten",
    parts=captions_alone,
    about=f"Multi30k: 8,570 captions to train on, one of each of {_TESTED} other pictures for test; a BERT in "
    f"miniature (2 layers of {_WIDTH}) of random weights that reads {_LENGTH} tokens, 3,000 steps of 64 at a rate of "
    "1e-3",
    start=short_reader,
    steps=3000,
    settings={**CAPTIONED.settings, "learning_rate": 1e-3},
    figures=(neighbours,),
)
FEW_REWRITTEN = replace(
    LIKENESS,
    name="titles, rewritten",
    parts=some_descriptions,
    about="included corpus: 2,000 descriptions to train on, 300 titles for test; a BERT in miniature (2 layers of "
    f"{_WIDTH}) of random weights that reads {_LENGTH} tokens, 40 steps at a rate of 2e-3",
    start=short_reader,
    figures=(neighbours,),
)
