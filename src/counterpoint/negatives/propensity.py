"""Pairs of texts alone, drawn against the rule that what reads alike means the same."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from counterpoint.data.hashing import normalise
from counterpoint.data.items import Data
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

_BLOCK = 512


def against_propensity(near: int = 20, temperature: float = 0.1, *, surface: bool = True) -> Prepare:
    r"""A step before training: each text gets a positive and a hard negative among the others, by inverse propensity.

    With `s_ij` the cosine of two texts as the encoder sees them, and `o_ij` the share of their words that both have
    (words of both over words of either), a positive is drawn among the `near` texts that the encoder finds nearest,
    `j` with a probability in proportion to `exp(s_ij / t) / exp(o_ij / t)`: likely by its meaning, and the more so the
    less likely it is by the rule that texts which read alike are alike. A negative is drawn among the `near` texts that
    BM25 finds, with `exp(-s_ij / t) / exp(-o_ij / t)`: it reads alike and means something else. What reads the same
    (`normalise`) is neither. Where there is no other text to draw the text is its own positive, and has no negative.

    Source: the idea is of Miao, Du and Zhang 2023, "DebCSE: Rethinking Unsupervised Contrastive Sentence Embedding
    Learning in the Debiasing Perspective"; its weights are not known to us, and these are our own.

    Args:
        near: Texts to draw among, at most.
        temperature: `t`.
        surface: Whether how texts read is divided by; without they are drawn by meaning alone.

    Raises:
        InputError: for no text to draw among, or a temperature that is not above 0; in the step, for pairs.
        MissingExtra: in the step, if PyStemmer is not installed.

    Examples:
        >>> from counterpoint.data.items import Items
        >>> from counterpoint.encoders import StaticEncoder
        >>> texts = ["a cat", "a cat", "a dog"]
        >>> data = against_propensity()(Data.alone(Items("text", texts)), StaticEncoder.from_corpus(texts, dim=4), 0)
        >>> data.positives.tolist(), data.negatives.tolist()  # no other words are found
        ([[2], [2], [0]], [[-1], [-1], [-1]])
    """
    if near < 1 or not 0 < temperature < math.inf:
        raise InputError(f"{near} texts at a temperature of {temperature}", fix="give 1 or more, and above 0")

    def prepare(data: Data, encoder: Any, seed: int) -> Data:
        from counterpoint.search import BM25, exact_search
        from counterpoint.search.words import words

        if data.others is not None:
            raise InputError("texts that are pairs already are not paired", file=data.source or None)
        items = data.anchors[data.anchor]
        z = F.normalize(torch.from_numpy(encoder.encode_items(items)).float(), dim=1)
        nearest = torch.from_numpy(exact_search(z, z, near + 1)[0])
        found = torch.from_numpy(BM25(items.texts).search(items.texts, near + 1)[0])
        read, said = [normalise(text) for text in items.texts], [frozenset(words(text)) for text in items.texts]
        generator = torch.Generator().manual_seed(seed)

        def drawn(among: Int[Tensor, "n k"], sign: int) -> Int[Tensor, " n"]:
            overlap, own = torch.zeros(among.shape), torch.zeros(among.shape, dtype=torch.bool)
            for i, row in enumerate(among.tolist()):
                for k, j in enumerate(row):
                    own[i, k] = j < 0 or read[i] == read[j]
                    overlap[i, k] = len(said[i] & said[j]) / max(1, len(said[i] | said[j]))
            meaning = torch.cat([_cosines(z, rows, among[rows]) for rows in torch.arange(len(z)).split(_BLOCK)])
            score = sign * (meaning - overlap * surface) / temperature
            weight = score.masked_fill(own, -math.inf).softmax(1).nan_to_num(0.0)
            none = own.all(1)
            place = torch.multinomial(weight + none[:, None], 1, generator=generator)
            return torch.where(none, -1, among.gather(1, place)[:, 0])

        positive, negative = drawn(nearest, 1), drawn(found, -1)
        positive = torch.where(positive < 0, torch.arange(len(z)), positive)
        negatives = torch.where(negative < 0, -1, data.anchor[negative])
        return replace(
            data, others=data.anchors, positives=data.anchor[positive][:, None], negatives=negatives[:, None]
        )

    return prepare


def _cosines(z: Float[Tensor, "n d"], rows: Int[Tensor, " b"], among: Int[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    return (z[rows, None] * z[among]).sum(2)
