"""Views of texts as a stage takes them: drawn anew in every step, the same in whatever chunks and processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import nn

from counterpoint.data.items import Items
from counterpoint.encoders._base import TextEncoder
from counterpoint.encoders.features import BY_TOKEN, Features, Kind, from_ids
from counterpoint.errors import InputError
from counterpoint.training.rows import ItemView, inputs_of
from counterpoint.views.tokens import Tokens, TokenView
from counterpoint.views.words import WordView

T = TypeVar("T")


def chained(*views: Callable[[T, torch.Generator], T]) -> Callable[[T, torch.Generator], T]:
    """One view of words (or of tokens) after another.

    Examples:
        >>> from counterpoint.views import words
        >>> chained(words.crop(0.5), words.full_stop())("one two three four", torch.Generator().manual_seed(0))
        'three four.'
    """

    def view(text: T, generator: torch.Generator) -> T:
        for one in views:
            text = one(text, generator)
        return text

    return view


def one_of(
    *views: Callable[[T, torch.Generator], T], weights: Sequence[float] | None = None
) -> Callable[[T, torch.Generator], T]:
    """One view of words (or of tokens), drawn for each text: EDA has four, PEARL five of different weights.

    Args:
        *views: What is drawn from.
        weights: Of each, 0 or more; None: all alike.

    Raises:
        InputError: Not one weight a view, or none above 0.

    Examples:
        >>> from counterpoint.views import words
        >>> drawn = one_of(words.template("{} It was [MASK]."), words.template("[MASK] news: {}"))
        >>> drawn("Rain fell.", torch.Generator().manual_seed(0))
        '[MASK] news: Rain fell.'
    """
    chances = torch.ones(len(views)) if weights is None else torch.tensor(weights, dtype=torch.float32)
    if len(chances) != len(views) or not (chances >= 0).all() or not chances.any():
        raise InputError(f"{len(views)} views and weights {weights}", fix="give one weight a view, some above 0")
    return lambda text, generator: views[int(torch.multinomial(chances, 1, generator=generator))](text, generator)


@dataclass(frozen=True)
class TextView(ItemView):
    """A view of words, then one of tokens, each text with random numbers of its own: for `Stage.view`.

    Words are changed before prompts are put before them and before they become tokens, which is done again in every
    step; tokens are changed afterwards, by the rules of `counterpoint.views.tokens`.

    Attributes:
        words: None: as they are.
        tokens: None: as they are.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> from counterpoint.training import RowBatches
        >>> from counterpoint.data.items import Data
        >>> from counterpoint.views import words
        >>> texts = ["one two three four", "five six seven eight"]
        >>> encoder = StaticEncoder.from_corpus(texts, dim=4)
        >>> batches = RowBatches(Data.alone(Items("text", texts)), encoder, view=(None, TextView(words.deletion(0.5))))
        >>> batches.payload(torch.arange(2)).cost.tolist()
        [4, 4, 2, 2]
    """

    words: WordView | None = None
    tokens: TokenView | None = None

    def check(self, items: Items, encoder: nn.Module) -> None:
        """See `ItemView`."""
        if not isinstance(encoder, TextEncoder):
            raise InputError(f"a view of texts, and {items.modality} items", fix="choose a view of these")

    def __call__(self, items: Items, inputs: Any, encoder: Any, kind: Kind, numbers: Sequence[int]) -> Features:
        """See `ItemView`."""
        generator = torch.Generator()
        features: Features = inputs
        if self.words is not None:
            pairs = zip(items.texts, numbers, strict=True)
            seen = [self.words(text, generator.manual_seed(number)) for text, number in pairs]
            features = inputs_of(encoder, replace(items, values=seen), kind)  # type: ignore[assignment]
        if self.tokens is None:
            return features
        # other numbers than the words have had
        pairs_of_tokens = zip(_texts(features, encoder), numbers, strict=True)
        return _joined(features, [self.tokens(t, generator.manual_seed(number ^ 1)) for t, number in pairs_of_tokens])


def _texts(features: Features, encoder: TextEncoder) -> list[Tokens]:
    """The tokens of each text."""
    ids, special = features["input_ids"], torch.tensor(sorted(encoder.special_tokens), dtype=torch.long)
    free, skip = ~torch.isin(ids, special), features.get("prompt")
    texts = []
    for i, (start, end) in enumerate(pairwise(features["offsets"].tolist())):
        mine = free[start:end].clone()
        if skip is not None:
            mine[: int(skip[i])] = False
        texts.append(Tokens(ids[start:end], mine, encoder.token_dim, longest=encoder.longest))
    return texts


def _joined(features: Features, texts: Sequence[Tokens]) -> Features:
    """Features of changed tokens; what holds one value a text stays."""
    joined = {k: v for k, v in features.items() if k not in (*BY_TOKEN, "offsets")} | from_ids(
        [t.ids.tolist() for t in texts]
    )
    if any(t.places is not None for t in texts):
        joined["position_ids"] = torch.cat([t.where() for t in texts])
    if any(t.scale is not None for t in texts):
        plain = [torch.ones(len(t.ids), t.dim, dtype=torch.bool) if t.scale is None else t.scale for t in texts]
        joined["scale"] = torch.cat(plain)
    if any(t.dropout >= 0 for t in texts):
        joined["dropout"] = torch.tensor([t.dropout for t in texts])
    return joined
