"""Views of a text's tokens, as a model sees them: which there are, where they stand, and what their embeddings become.

Special tokens ([CLS], [SEP], a static model's token for documents) and the prompt that a model leaves out of pooling
stay as they are, but for what is done to a dimension of all tokens. The authors of ConSERT draw among all tokens, the
special ones too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from counterpoint.errors import InputError
from counterpoint.views._draw import below, check_share, some


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text.

    Attributes:
        ids: In the model's vocabulary.
        free: Which of them stand for text, and may change.
        dim: Of the tokens' embeddings.
        places: Where each stands; None: one after the other.
        scale: `(t, d)`: what the embeddings are multiplied by; None: by 1. Of a BERT these are what leaves its
            embedding layer, with positions and normalised.
        dropout: The model's rate for this text; -1: as it is.
        longest: At most so many tokens; None: any number.

    Examples:
        >>> Tokens(torch.tensor([7, 8, 9]), torch.tensor([False, True, True]), dim=4).rows()
        [1, 2]
    """

    ids: Int[Tensor, " t"]
    free: Bool[Tensor, " t"]
    dim: int
    places: Int[Tensor, " t"] | None = None
    scale: Bool[Tensor, "t d"] | None = None
    dropout: float = -1.0
    longest: int | None = None

    def rows(self) -> list[int]:
        """The free tokens, in order."""
        found: list[int] = self.free.nonzero()[:, 0].tolist()
        return found

    def take(self, index: Tensor, places: Tensor | None) -> Tokens:
        """These tokens, in their order, at these places."""
        scale = None if self.scale is None else self.scale[index]
        return replace(self, ids=self.ids[index], free=self.free[index], places=places, scale=scale)

    def scaled(self, by: Bool[Tensor, "t d"]) -> Tokens:
        """With embeddings that are 0 where `by` is False."""
        return replace(self, scale=by if self.scale is None else self.scale & by)

    def where(self) -> Int[Tensor, " t"]:
        """Where each token stands."""
        return torch.arange(len(self.ids)) if self.places is None else self.places


TokenView: TypeAlias = Callable[[Tokens, torch.Generator], Tokens]
"""The tokens' view, drawn with a generator."""


def token_cutoff(share: float = 0.15) -> TokenView:
    """Token cutoff: the embeddings of a random share of the tokens become 0, and the model still sees their places.

    Source: Yan et al. 2021, "ConSERT", section 3.2, and the authors' code (`int(share n)` tokens; Shen et al. 2020, "A
    Simple but Tough-to-Beat Data Augmentation Approach", hide them from attention too). A bag of tokens loses them.

    Examples:
        >>> text = Tokens(torch.tensor([2, 7, 8, 3]), torch.tensor([False, True, True, False]), dim=1)
        >>> token_cutoff(0.5)(text, torch.Generator().manual_seed(0)).scale[:, 0].tolist()
        [True, False, True, True]
    """
    check_share(share)

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        rows, kept = tokens.rows(), torch.ones(len(tokens.ids), tokens.dim, dtype=torch.bool)
        kept[[rows[i] for i in some(len(rows), int(share * len(rows)), generator)]] = False
        return tokens.scaled(kept)

    return view


def feature_cutoff(share: float = 0.2) -> TokenView:
    """Feature cutoff: a random share of the dimensions become 0 in the embeddings of all tokens of a text.

    Source: Yan et al. 2021, "ConSERT", section 3.2; its best pair of views is this with 0.2 and `shuffled_tokens`.

    Examples:
        >>> text = Tokens(torch.tensor([7, 8]), torch.tensor([True, True]), dim=4)
        >>> feature_cutoff(0.5)(text, torch.Generator().manual_seed(0)).scale.int().tolist()
        [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    check_share(share)

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        kept = torch.ones(len(tokens.ids), tokens.dim, dtype=torch.bool)
        kept[:, some(tokens.dim, int(share * tokens.dim), generator)] = False
        return tokens.scaled(kept)

    return view


def element_cutoff(share: float = 0.2) -> TokenView:
    """Each number of the embeddings becomes 0 with this probability, and the others stay as they are.

    Source: Yan et al. 2021, "ConSERT", section 3.2, who call it dropout.

    Examples:
        >>> text = Tokens(torch.tensor([7]), torch.tensor([True]), dim=1000)
        >>> bool(element_cutoff(0.2)(text, torch.Generator().manual_seed(0)).scale.float().mean() > 0.75)
        True
    """
    check_share(share)

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        return tokens.scaled(torch.rand(len(tokens.ids), tokens.dim, generator=generator) >= share)

    return view


def span_cutoff(share: float = 0.1) -> TokenView:
    """Span cutoff: tokens in a row are hidden from the model; the others keep their places.

    Source: Shen et al. 2020, "A Simple but Tough-to-Beat Data Augmentation Approach", section 3.1, and the authors'
    code (`int(share n)` tokens, out of the embeddings and of attention). ConSERT's code keeps the span and hides the
    rest: see `crop`.

    Examples:
        >>> text = Tokens(torch.tensor([7, 8, 9, 10]), torch.ones(4, dtype=torch.bool), dim=1)
        >>> seen = span_cutoff(0.5)(text, torch.Generator().manual_seed(0))
        >>> seen.ids.tolist(), seen.places.tolist()
        ([7, 8], [0, 1])
    """
    check_share(share)

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        rows = tokens.rows()
        length = int(share * len(rows))
        start = below(len(rows) - length + 1, generator)
        kept = torch.ones(len(tokens.ids), dtype=torch.bool)
        kept[rows[start : start + length]] = False
        return tokens.take(kept.nonzero()[:, 0], tokens.where()[kept])

    return view


def shuffled_tokens() -> TokenView:
    """Token shuffling: the tokens stand at each other's places (their position ids are permuted).

    Nothing to a model that knows no places, as a bag of tokens. Source: Yan et al. 2021, "ConSERT", section 3.2.

    Examples:
        >>> text = Tokens(torch.tensor([2, 7, 8, 9, 3]), torch.tensor([False, True, True, True, False]), dim=1)
        >>> shuffled_tokens()(text, torch.Generator().manual_seed(0)).places.tolist()
        [0, 3, 1, 2, 4]
    """

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        places = tokens.where().clone()
        rows = tokens.rows()
        places[rows] = places[[rows[i] for i in some(len(rows), len(rows), generator)]]
        return replace(tokens, places=places)

    return view


def repeated_tokens(rate: float = 0.32) -> TokenView:
    """Some tokens twice, one after the other: ESimCSE's repetition of subwords.

    How many is drawn from 0 to `min(10, int(rate t)) - 1`, t with special tokens; texts of fewer than `2 / rate` stay
    as they are. Source: Wu et al. 2021, "ESimCSE", section 3.1, and the authors' code, whose default this is.

    Examples:
        >>> text = Tokens(torch.tensor([2, 7, 8, 9, 3]), torch.tensor([False, True, True, True, False]), dim=1)
        >>> repeated_tokens(0.5)(text, torch.Generator().manual_seed(0)).ids.tolist()
        [2, 7, 8, 9, 3]
        >>> repeated_tokens(0.5)(text, torch.Generator().manual_seed(1)).ids.tolist()
        [2, 7, 8, 9, 9, 3]
    """
    check_share(rate, "rate")

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        rows, n = tokens.rows(), len(tokens.ids)
        most = min(10, int(rate * n))
        if most == 0:
            return tokens
        times = torch.ones(n, dtype=torch.long)
        room = n if tokens.longest is None else max(0, tokens.longest - n)
        times[[rows[i] for i in some(len(rows), min(below(most, generator), room), generator)]] = 2
        return tokens.take(torch.repeat_interleave(times), None)

    return view


def random_crop(least: float = 0.05, most: float = 0.5) -> TokenView:
    """Tokens in a row, a share of the text's that is drawn for each view: Contriever's independent cropping.

    The share is uniform from `least` to `most`, `int(share n)` tokens stay, at least one, and begin anywhere. Source:
    Izacard et al. 2021, "Unsupervised Dense Information Retrieval with Contrastive Learning", and the authors' code,
    where a crop may be of no token.

    Args:
        least: Above 0.
        most: From `least` to 1.

    Raises:
        InputError: Shares out of their range.

    Examples:
        >>> text = Tokens(torch.tensor([2, 7, 8, 9, 10, 3]), torch.tensor([False, *[True] * 4, False]), dim=1)
        >>> random_crop(0.5, 0.5)(text, torch.Generator().manual_seed(0)).ids.tolist()
        [2, 7, 8, 3]
    """
    if not 0 < least <= most <= 1:
        raise InputError(
            f"crops of {least} to {most} of a text", fix="give shares above 0 and up to 1, the least first"
        )

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        rows, kept = tokens.rows(), ~tokens.free
        share = least + (most - least) * float(torch.rand((), generator=generator))
        length = min(len(rows), max(1, int(share * len(rows))))
        start = below(len(rows) - length + 1, generator)
        kept[rows[start : start + length]] = True
        return tokens.take(kept.nonzero()[:, 0], None)

    return view


def token_deletion(p: float = 0.1) -> TokenView:
    """Each token is gone with this probability, and the others close up; one stays.

    Source: Izacard et al. 2021 (Contriever) and the authors' code, where all may go.

    Examples:
        >>> text = Tokens(torch.tensor([2, 7, 8, 9, 10, 3]), torch.tensor([False, *[True] * 4, False]), dim=1)
        >>> token_deletion(0.5)(text, torch.Generator().manual_seed(0)).ids.tolist()
        [2, 8, 3]
    """
    check_share(p, "p")

    def view(tokens: Tokens, generator: torch.Generator) -> Tokens:
        rows, kept = tokens.rows(), ~tokens.free
        draws = torch.rand(len(rows), generator=generator)
        kept[[row for row, draw in zip(rows, draws.tolist(), strict=True) if draw >= p]] = True
        if rows and not kept[rows].any():
            kept[rows[int(draws.argmax())]] = True
        return tokens.take(kept.nonzero()[:, 0], None)

    return view


def dropout(rate: float) -> TokenView:
    """The model drops its hidden states and attention at this rate for this view, in training.

    Of several rates: SupCL-Seq (Sedghamiz et al. 2021, section 3), which sees each text at the model's rate and at 0,
    0.1 and 0.2: `(None, dropout(0.0), dropout(0.1), dropout(0.2))`, each in a `TextView`. Texts of one rate are encoded
    together. Nothing to a model without dropout, as a table of vectors.

    Raises:
        InputError: A rate that is not from 0 to below 1.

    Examples:
        >>> text = Tokens(torch.tensor([7]), torch.tensor([True]), dim=1)
        >>> dropout(0.2)(text, torch.Generator()).dropout
        0.2
    """
    if not 0 <= rate < 1:
        raise InputError(f"dropout {rate} is not from 0 to below 1", fix="give such a rate")
    return lambda tokens, _: replace(tokens, dropout=rate)
