"""Texts as bags of words: their counts as a column, and versions whose telling words, or all others, are replaced."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError, refuse_string
from counterpoint.search.bm25 import STOPWORDS

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare


def words_of(text: str) -> list[str]:
    """What stands between blanks in lower case, without punctuation around it, without English stop words.

    Examples:
        >>> words_of("The cat, the dog.")
        ['cat', 'dog']
    """
    found = (word.strip(".,;:!?()[]\"'") for word in text.lower().split())
    return [word for word in found if word and word not in STOPWORDS]


def common_words(texts: Sequence[str], size: int) -> list[str]:
    """The words that are in most texts, at most so many, in this order; equals by the alphabet.

    Examples:
        >>> common_words(["cat dog", "dog dog", "ant"], 2)
        ['dog', 'ant']
    """
    refuse_string(texts, "texts")
    counts = Counter(word for text in texts for word in set(words_of(text)))
    return [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]]


def bag(
    texts: Sequence[str], words: Sequence[str], split: Callable[[str], Sequence[str]] = words_of
) -> Float[Tensor, "n v"]:
    """How often each of the words is in each of the texts.

    Args:
        texts: They.
        words: Which words count.
        split: From a text to its words.

    Examples:
        >>> bag(["cat dog cat"], ["dog", "cat"]).tolist()
        [[1.0, 2.0]]
    """
    refuse_string(texts, "texts")
    refuse_string(words, "words")
    place, out = {word: i for i, word in enumerate(words)}, torch.zeros(len(texts), len(words))
    for row, text in enumerate(texts):
        for word, n in Counter(split(text)).items():
            if word in place:
                out[row, place[word]] = n
    return out


def bags(size: int = 2000, column: str = "words") -> Prepare:
    """A step before training: each text has a column with its counts of the most common words of all anchors.

    Where there are fewer words the others are 0. Memory is that of texts times words.

    Args:
        size: How many words, 1 or more.
        column: Where they are put, `(n, size)`.

    Raises:
        InputError: for no words, and of the step: items are no texts.

    Examples:
        >>> data = Data.alone(Items("text", ["cat dog cat", "dog"]))
        >>> bags(3)(data, nn.Identity(), 0).columns["words"].tolist()
        [[1.0, 2.0, 0.0], [1.0, 0.0, 0.0]]
    """
    if size < 1:
        raise InputError(f"a bag of {size} words", fix="give 1 or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder, seed
        texts = _texts(data)
        counts = torch.zeros(len(texts), size)
        words = common_words(texts, size)
        counts[:, : len(words)] = bag(texts, words)
        return replace(data, columns={**data.columns, column: counts})

    return prepare


def telling_words(most: int = 15) -> Prepare:
    """A step before training: texts alone get a positive that keeps their telling words, and a negative that does not.

    Of the different words of a text those of the least tf-idf are replaced in the positive, and those of the most in
    the negative, up to `most` and never more than half of them, each wherever it stands by a word that is drawn from
    all texts, as often as it is there. Source: Nguyen and Luu 2021, "Contrastive Learning for Neural Topic Model", and
    their code, with `most` of 15 among others; there a word's count becomes what the model makes of it.

    Args:
        most: Words that are replaced.

    Raises:
        InputError: of the step: items are no texts, or have positives already.

    Examples:
        >>> data = Data.alone(Items("text", ["game win", "game film", "game plan"]))
        >>> changed = telling_words()(data, nn.Identity(), 0)
        >>> [text.split()[1] for text in changed.others.texts[::2]]  # positives, whose common word is gone
        ['win', 'film', 'plan']
    """

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        if data.others is not None:
            raise InputError("words are replaced in texts alone", fix="leave the step out for other data")
        texts, draw = [text.split() for text in _texts(data)], random.Random(seed)
        every = [word for text in texts for word in text]
        known = Counter(word for text in texts for word in set(text))
        made = []
        for text in texts:
            counts = Counter(text)
            # of equals the first of the text
            order = sorted(counts, key=lambda word: counts[word] * math.log(len(texts) / known[word]))
            k = min(most, len(order) // 2)
            for gone in (order[:k], order[len(order) - k :]):
                other = {word: draw.choice(every) for word in gone}
                made.append(" ".join(other.get(word, word) for word in text))
        places = torch.arange(len(made)).view(-1, 2)
        return replace(data, others=Items("text", made), positives=places[:, :1], negatives=places[:, 1:])

    return prepare


def _texts(data: Data) -> list[str]:
    if data.anchors.modality != "text":
        raise InputError(f"words are those of texts, and these are {data.anchors.modality} items", fix="give texts")
    return [data.anchors.texts[i] for i in data.anchor.tolist()]
