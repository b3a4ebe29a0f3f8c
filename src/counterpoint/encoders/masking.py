"""Texts whose names of people and places are masked, so that what happens counts and not to whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

from counterpoint.encoders._base import TextEncoder, clean
from counterpoint.encoders._wrapper import Wrapper
from counterpoint.encoders.features import Features, Kind
from counterpoint.errors import InputError, refuse_string

CAPITALS = "capitals"
"""The rule `capitalised`, in place of a model."""
MASK = "[MASK]"
"""Of tokenizers that have no mask token of their own."""
Finder: TypeAlias = Callable[[str], list[tuple[int, int]]]
"""From a text to where its entities begin and end, in characters."""
_WORD = re.compile(r"[^\W_][\w'’-]*")
_BETWEEN = frozenset({"of", "and", "the", "de", "la", "van", "von"})
_BEGINS = re.compile(r"(?:^|[.!?:;]\s+|[\"“(]\s*)$")


def capitalised(text: str) -> list[tuple[int, int]]:
    """Runs of capitalised words, with short ones between: a rule that needs no model, for English.

    The first word of a sentence says nothing where it stands alone, and is left.

    Examples:
        >>> text = "Police in New South Wales arrested Bob of York."
        >>> [text[a:b] for a, b in capitalised(text)]
        ['New South Wales', 'Bob of York']
    """
    found, words = list[tuple[int, int]](), list(_WORD.finditer(text))
    capital = [match.group()[0].isupper() for match in words]
    i = 0
    while i < len(words):
        if not capital[i]:
            i += 1
            continue
        last = i
        for j in range(i + 1, len(words)):
            # an initial has a full stop
            initial = len(words[j - 1].group()) == 1 and capital[j - 1]
            if text[words[j - 1].end() : words[j].start()] not in ((" ", ". ") if initial else (" ",)):
                break
            if capital[j]:
                last = j
            elif words[j].group() not in _BETWEEN:
                break
        if last > i or not _BEGINS.search(text[: words[i].start()]):
            found.append((words[i].start(), words[last].end()))
        i = last + 1
    return found


def masked(text: str, spans: Sequence[tuple[int, int]], mask: str = MASK) -> str:
    """A text with one mask for each span.

    Examples:
        >>> masked("Bob went to New York.", [(0, 3), (12, 20)])
        '[MASK] went to [MASK].'
    """
    parts, end = [], 0
    for a, b in spans:
        parts += [text[end:a], mask]
        end = b
    return "".join((*parts, text[end:]))


class MaskedEntityEncoder(Wrapper):
    """An encoder that reads one mask in the place of each name: queries, documents and training texts alike.

    Source: Franklin et al. 2024, "News Deja Vu: Connecting Past and Present with Semantic Search", and the authors'
    code, whose names of every kind have the same mask, the tokenizer's own where it has one.

    Args:
        encoder: Of what is left.
        entities: Who finds names: "capitals", the rule `capitalised`; or the folder or name of a model of
            `transformers` that classifies tokens, whose names of several tokens are one.

    Raises:
        InputError: There is no such model (when a text is first read).

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> table = StaticEncoder.from_corpus(["a port in Peru", "a port in Chile"], dim=4)
        >>> z = MaskedEntityEncoder(table).encode(["a port in Peru", "a port in New Guinea"])
        >>> bool((z[0] == z[1]).all())
        True
    """

    def __init__(self, encoder: TextEncoder, entities: str = CAPITALS) -> None:
        super().__init__(encoder)
        self.batch_tokens = encoder.batch_tokens
        self.entities = entities

    def masked(self, texts: Sequence[str]) -> list[str]:
        """What is read of texts."""
        refuse_string(texts, "texts")
        tokenizer = getattr(self.encoder, "tokenizer", None)
        mask = getattr(tokenizer, "mask_token", None) or MASK
        finder = finder_of(self.entities)
        return [masked(text, finder(text), mask) for text in map(clean, texts, range(len(texts)))]

    def tokenize(self, texts: Sequence[str], kind: Kind = None) -> Features:
        """See `TextEncoder`."""
        return super().tokenize(self.masked(texts), kind)

    def _flat(self, texts: list[str]) -> Features:
        return self.encoder._flat(texts)

    def _mark_prompt(self, features: Features, prompt: str) -> Features:
        return self.encoder._mark_prompt(features, prompt)

    def _embed(self, features: Features) -> Float[Tensor, "n d"]:
        return self.encoder._embed(features)


@cache
def finder_of(entities: str) -> Finder:
    """Who finds names, see `MaskedEntityEncoder`.

    Raises:
        InputError: There is no such model, or it classifies no tokens.

    Examples:
        >>> finder_of("capitals") is capitalised
        True
    """
    if entities == CAPITALS:
        return capitalised
    from transformers import pipeline

    try:
        safe = {"use_safetensors": True}
        classify: Any = pipeline("token-classification", entities, aggregation_strategy="max", model_kwargs=safe)
    except (OSError, ValueError) as error:
        what = f"no model that finds names: {str(error).splitlines()[0]}"
        raise InputError(what, file=entities, fix=f"give a classifier of tokens, or {CAPITALS!r}") from error
    return lambda text: [(one["start"], one["end"]) for one in classify(text)] if text.strip() else []


def without_names(encoder: nn.Module, entities: str = CAPITALS) -> nn.Module:
    """An encoder of texts that reads no names (`MaskedEntityEncoder`); one that reads none stays as it is.

    Raises:
        InputError: It encodes no texts.

    Examples:
        >>> from counterpoint.encoders import StaticEncoder
        >>> without_names(StaticEncoder.from_corpus(["a cat"], dim=4)).entities
        'capitals'
    """
    if isinstance(encoder, MaskedEntityEncoder):
        return encoder
    if not isinstance(encoder, TextEncoder):
        raise InputError("only an encoder of texts reads names", fix="give a table or a transformer")
    return MaskedEntityEncoder(encoder, entities).to(encoder.device)
