"""Which language texts are in, as far as a stemmer must know."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from counterpoint.errors import InputError, MissingExtra, refuse_string
from counterpoint.search._function_words import FUNCTION_WORDS
from counterpoint.search.words import spaceless, words

_TEXTS, _CHARACTERS = 2000, 1000
_SHARE, _TRACE, _FOREIGN, _KINDS = 0.1, 0.01, 0.2, 3


@dataclass(frozen=True)
class Recognised:
    """A language with a stemmer, by its Snowball name, or "" and in words why there is none; there may be several."""

    language: str
    why: str = ""
    several: bool = False


def recognise(texts: Sequence[str]) -> Recognised:
    """The language that most words of the texts speak for, by their function words (articles, pronouns, prepositions).

    At most 2,000 texts are looked at, always the same, 1,000 characters of each. A language must have every tenth
    word (scripts without blanks apart, and every hundredth with them), and any but English three different words, as
    short texts share some; where others are ahead of it in over a fifth of the texts, they are mixed.

    Examples:
        >>> recognise(["Das Haus ist am See", "Wir sind nicht im Haus"])
        Recognised(language='german', why='', several=False)
        >>> recognise(["მთვარე ანათებს"]).why, recognise(["今天北京天气晴朗"]).why
        ('no language with a stemmer was recognised', 'pairs of characters, as the script has no blanks')
    """
    refuse_string(texts, "texts")
    chosen = sorted(random.Random(0).sample(range(len(texts)), min(_TEXTS, len(texts))))
    every = [words(texts[i][:_CHARACTERS]) for i in chosen]
    sample = [[word for word in text if not spaceless(word)] for text in every]
    read, all_read = sum(map(len, sample)), sum(map(len, every))
    spoken = [Counter(name for word in text for name in _languages().get(word, ())) for text in sample]
    total = sum(spoken, Counter[str]())
    # Chinese with a few names in it is not in the language that has a word like one of them
    if not total or max(total.values()) < max(_SHARE * read, _TRACE * all_read):
        if 2 * read < all_read:
            return Recognised("", "pairs of characters, as the script has no blanks")
        return Recognised("", "no language with a stemmer was recognised")
    first = max(total, key=lambda name: (total[name], name == "english"))
    if (
        first != "english"
        and sum(first in _languages().get(word, ()) for word in {word for text in sample for word in text}) < _KINDS
    ):
        return Recognised("", "too few words to tell the language by")
    others = Counter(
        best for text in spoken if text and text[best := max(text, key=lambda name: text[name])] > text[first]
    )
    # three more, as in few texts chance has a say
    if others.total() > _FOREIGN * sum(map(bool, spoken)) + 3:
        second = others.most_common(1)[0][0]
        return Recognised(
            "", f"the texts are in several languages, {first.capitalize()} and {second.capitalize()} among them", True
        )
    if first not in stemmers():
        return Recognised("", f"there is no stemmer for {first.capitalize()}")
    return Recognised(first)


def across(queries: Sequence[str], documents: Sequence[str]) -> bool:
    """Whether queries are in another language than documents, or in several; not where theirs is not recognised.

    Examples:
        >>> english = ["the house is on the lake", "we are not in the house"]
        >>> across(["Das Haus ist am See", "Wir sind nicht im Haus"], english), across(["is it on the lake"], english)
        (True, False)
    """
    asked = recognise(queries)
    return asked.several or (bool(asked.language) and asked.language != recognise(documents).language)


def check_language(language: str) -> None:
    """Refuse what is neither "auto", "none" (or "") nor a language with a stemmer.

    Examples:
        >>> check_language("german")
    """
    if language not in ("auto", "", "none") and language not in stemmers():
        raise InputError(
            f"there is no stemmer for the language {language!r}",
            fix=f"choose one of auto, none, {', '.join(stemmers())}",
        )


def stemmers() -> tuple[str, ...]:
    """The languages that PyStemmer has a stemmer for.

    Raises:
        MissingExtra: PyStemmer is not installed.
    """
    try:
        import Stemmer
    except ImportError as error:
        raise MissingExtra("PyStemmer", extra="search") from error
    return tuple(Stemmer.algorithms())


@cache
def _languages() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, listed in FUNCTION_WORDS.items():
        for word in set(words(listed)):
            found.setdefault(word, []).append(name)
    return found
