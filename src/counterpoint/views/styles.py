"""Ways to say a thing: rules that give a text a style and leave what it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from counterpoint.data.items import Data, Items
from counterpoint.errors import InputError, refuse_string

if TYPE_CHECKING:
    from counterpoint.methods.stage import Prepare

Style = Callable[[str], str]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b\s*", re.IGNORECASE)
_LONG = re.compile(r"\b(\w)(\w{3,})\b")
_END = re.compile(r"[\s.!?]*$")


def _ended(mark: str) -> Style:
    return lambda text: _END.sub("", text) + mark


def _begun(words: str) -> Style:
    return lambda text: words + text[:1].lower() + text[1:]


def _longest(text: str, said: Callable[[str], str]) -> str:
    word = max(re.findall(r"\w+", text) or [""], key=len)
    return text.replace(word, said(word), 1) if word else text


def _stretched(word: str) -> str:
    vowels = [i for i, letter in enumerate(word) if letter.lower() in "aeiouy"]
    at = vowels[-1] if vowels else len(word) - 1
    return word[:at] + 4 * word[at] + word[at + 1 :]


STYLES: Mapping[str, Style] = {
    "lower case": lambda text: _END.sub("", text).lower(),
    "upper case": str.upper,
    "title case": str.title,
    "no articles": lambda text: _ARTICLES.sub("", text),
    "no vowels": lambda text: _LONG.sub(lambda m: m[1] + re.sub("[aeiou]", "", m[2]), text),
    "stretched": lambda text: _longest(text, _stretched),
    "starred": lambda text: _longest(text, lambda word: f"*{word}*"),
    "hashtag": lambda text: _longest(text, lambda word: f"#{word}"),
    "pauses": lambda text: re.sub(r"(\w+ \w+) ", r"\1, ", text),
    "hesitant": lambda text: re.sub(r"^(\S+ \S+)", r"\1, um,", text),
    "exclaimed": _ended("!!!"),
    "trailing off": _ended("..."),
    "asking": _ended(", right?"),
    "smiling": _ended(" :)"),
    "hedged": _begun("maybe "),
    "formal": _begun("it may be observed that "),
    "archaic": _begun("lo, "),
    "reported": _begun("I saw that "),
}
"""Of English sentences: what each is about stays, though some say how sure one is of it."""


def style_triplets(each: int = 4, *, styles: Sequence[str] = (), of_anchor: float = 0.5) -> Prepare:
    """A step before training: texts become triplets of which two have a style in common, and two what they say.

    Anchor and positive are two texts in one style; the negative is one of the two in another style: if it were as it
    was, it would be enough to know whether a text was changed. Every text is an anchor `each` times; the styles and
    the other text are drawn, and again where a style changes nothing; after ten times there is no triplet. Columns:
    `style`, of `STYLES`, and `of_anchor`. Source: Patel et al. 2024, "StyleDistance", whose 40 styles, each with its
    absence, were written by a language model.

    Args:
        each: 1 or more.
        styles: Names of `STYLES`; none: all.
        of_anchor: The share of triplets whose negative says what the anchor says; else what the positive says.

    Raises:
        InputError: `each` is below 1, one style, or none of that name; of the step: fewer than two texts, or no style
            changes any.

    Examples:
        >>> data = Data.alone(Items("text", ["A cat.", "A dog."]))
        >>> found = style_triplets(1, styles=["upper case", "lower case"], of_anchor=1.0)(data, nn.Identity(), 0)
        >>> found.anchors.texts[0], *found.others.texts[:2]
        ('A CAT.', 'A DOG.', 'a cat')
    """
    refuse_string(styles, "styles")
    if each < 1:
        raise InputError(f"{each} triplets a text", fix="give 1 or more")
    if unknown := [name for name in styles if name not in STYLES]:
        raise InputError(f"no style {unknown[0]!r}", fix=f"choose from {', '.join(STYLES)}")
    names = list(STYLES)
    chosen = [names.index(name) for name in styles or names]
    if len(chosen) < 2:
        raise InputError("one style alone", fix="give two or more")

    def prepare(data: Data, encoder: nn.Module, seed: int) -> Data:
        del encoder
        texts, generator = [data.anchors.texts[i] for i in data.anchor.tolist()], torch.Generator().manual_seed(seed)
        if len(texts) < 2:
            raise InputError(f"{len(texts)} texts", file=data.source, fix="give two or more")

        def triplet(a: int) -> tuple[str, str, str, int, bool] | None:
            for _ in range(10):
                style, other = (chosen[i] for i in torch.randperm(len(chosen), generator=generator)[:2].tolist())
                b = (a + 1 + int(torch.randint(len(texts) - 1, (), generator=generator))) % len(texts)
                own = float(torch.rand((), generator=generator)) < of_anchor
                says = STYLES[names[style]]
                first, second, third = says(texts[a]), says(texts[b]), STYLES[names[other]](texts[a if own else b])
                changed = first != texts[a] and second != texts[b] and third != texts[a if own else b]
                if changed and first != second and third not in (first, second):
                    return first, second, third, style, own
            return None

        found = [row for a in range(len(texts)) for _ in range(each) if (row := triplet(a)) is not None]
        if not found:
            raise InputError("no style changes these texts", file=data.source, fix="give sentences of several words")
        others = [text for row in found for text in row[1:3]]
        place = torch.arange(len(found))[:, None]
        return replace(
            data,
            anchors=Items("text", [row[0] for row in found]),
            anchor=place[:, 0],
            others=Items("text", others),
            positives=2 * place,
            negatives=2 * place + 1,
            columns={name: torch.tensor([row[i] for row in found]) for name, i in (("style", 3), ("of_anchor", 4))},
        )

    return prepare
